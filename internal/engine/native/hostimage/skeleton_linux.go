package hostimage

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// tree is a small file tree in memory, by absolute path. Directories that lie
// above an entry are implied.
type tree map[string]entry

type entry struct {
	kind kind
	data []byte // of a file, or the target of a link
}

type kind byte

const (
	dirEntry  kind = 'd'
	fileEntry kind = 'f'
	linkEntry kind = 'l'
)

// add keeps the first of two entries for a path, and leaves out what would lie
// below a link or a file.
func (t tree) add(path string, e entry) {
	path = filepath.Clean(path)
	if _, ok := t[path]; ok || path == "/" {
		return
	}
	if up := filepath.Dir(path); up != "/" {
		t.add(up, entry{kind: dirEntry})
		if t[up].kind != dirEntry {
			return
		}
	}
	t[path] = e
}

func (t tree) dir(paths ...string) {
	for _, p := range paths {
		t.add(p, entry{kind: dirEntry})
	}
}

func (t tree) file(path, content string) { t.add(path, entry{fileEntry, []byte(content)}) }
func (t tree) link(path, target string)  { t.add(path, entry{linkEntry, []byte(target)}) }

// skeletonTree is the root of the image: mount points, the root's links, our
// own /etc, and what a program of PATH is reached through.
func skeletonTree(s *survey) tree {
	t := tree{}
	for _, name := range rootDirs() {
		if target, err := os.Readlink(name); err == nil {
			t.link(name, target)
		}
	}
	t.dir("/proc", "/sys", "/tmp", "/work", "/root", "/run/lock", "/home", "/mnt", "/srv", "/opt", "/usr",
		"/var/tmp", "/var/lib", "/var/cache", "/var/log", "/var/empty", "/dev/shm", "/dev/pts", "/dev/mqueue")
	t.link("/var/run", "/run")
	t.link("/var/lock", "/run/lock")
	for _, device := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		t.file("/dev/"+device, "")
	}
	t.link("/dev/fd", "/proc/self/fd")
	t.link("/dev/stdin", "/proc/self/fd/0")
	t.link("/dev/stdout", "/proc/self/fd/1")
	t.link("/dev/stderr", "/proc/self/fd/2")
	t.link("/dev/ptmx", "pts/ptmx")
	ownEtc(t)
	copyEtc(t, s)
	for _, b := range s.binds {
		if fi, err := os.Stat(b.Source); err == nil && fi.IsDir() {
			t.dir(b.Target)
		} else {
			t.file(b.Target, "")
		}
	}
	for _, l := range s.links {
		t.link(l.Path, l.Target)
	}
	return t
}

// digest is of paths, kinds, contents and the owner: with the fixed modes that
// is all there is to a skeleton.
func (t tree) digest(owner int) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d %d\n", schema, owner)
	for _, p := range slices.Sorted(maps.Keys(t)) {
		fmt.Fprintf(h, "%c %q %x\n", t[p].kind, p, sha256.Sum256(t[p].data))
	}
	return hex.EncodeToString(h.Sum(nil))[:24]
}

// build makes the tree below dir, once, and returns where it is.
func (t tree) build(dir string, owner int) (string, error) {
	done := filepath.Join(dir, "skeleton-"+t.digest(owner))
	if _, err := os.Lstat(done); err == nil {
		return done, nil
	}
	tmp, err := os.MkdirTemp(dir, ".skeleton-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := t.write(tmp, owner); err != nil {
		return "", err
	}
	// Another process may have been first; what it made is the same.
	if err := os.Rename(tmp, done); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return done, nil
}

func (t tree) write(root string, owner int) error {
	own := func(path string) error {
		if os.Geteuid() != 0 || owner == 0 {
			return nil
		}
		return os.Lchown(path, owner, owner)
	}
	if err := errors.Join(os.Chmod(root, 0o755), own(root)); err != nil {
		return err
	}
	for _, p := range slices.Sorted(maps.Keys(t)) {
		path := filepath.Join(root, p)
		if err := t[p].write(path); err != nil {
			return err
		}
		if err := own(path); err != nil {
			return err
		}
	}
	return nil
}

// write makes one entry; the modes are set again because of the umask.
func (e entry) write(path string) error {
	switch e.kind {
	case dirEntry:
		mode := fs.FileMode(0o755)
		if strings.HasSuffix(path, "/tmp") {
			mode = 0o777 | fs.ModeSticky
		}
		return errors.Join(os.Mkdir(path, 0o755), os.Chmod(path, mode))
	case linkEntry:
		return os.Symlink(string(e.data), path)
	}
	return errors.Join(os.WriteFile(path, e.data, 0o644), os.Chmod(path, 0o644))
}
