package tree

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"golang.org/x/sys/unix"
)

const canaryText = "canary: not to be read or changed"

// rooted makes a directory tree/ beside a canary that no call may touch, and
// opens it as an engine does. The canary is checked at the end.
func rooted(t *testing.T) (root string, fd int) {
	t.Helper()
	out := t.TempDir()
	root = filepath.Join(out, "tree")
	canary := filepath.Join(out, "canary")
	if err := errors.Join(os.Mkdir(root, 0o755), os.Mkdir(canary, 0o700), os.WriteFile(canary+"/file", []byte(canaryText), 0o600)); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Close(fd)
		names, _ := os.ReadDir(canary)
		data, err := os.ReadFile(canary + "/file")
		di, derr := os.Lstat(canary)
		fi, ferr := os.Lstat(canary + "/file")
		if err != nil || derr != nil || ferr != nil || string(data) != canaryText || len(names) != 1 ||
			di.Mode().Perm() != 0o700 || fi.Mode().Perm() != 0o600 {
			t.Errorf("the canary was touched: %q %v %v %v %v", data, names, di, fi, err)
		}
	})
	return root, fd
}

type item struct {
	name, body, link string
	kind             byte
	mode             int64
	uid              int
	xattrs           map[string]string
}

func archive(t testing.TB, items ...item) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, i := range items {
		h := &tar.Header{Name: i.name, Linkname: i.link, Typeflag: i.kind, Mode: i.mode, Uid: i.uid, Size: int64(len(i.body)), Format: tar.FormatPAX}
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		for k, v := range i.xattrs {
			if h.PAXRecords == nil {
				h.PAXRecords = map[string]string{}
			}
			h.PAXRecords["SCHILY.xattr."+k] = v
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, i.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

func TestPutFilesAndModes(t *testing.T) {
	root, fd := rooted(t)
	items := []item{
		{name: "./", kind: tar.TypeDir, mode: 0o700},
		{name: "./a.txt", body: "old", mode: 0o644},
		{name: "./a.txt", body: "last wins", mode: 0o640},
		{name: "deep/er/x.sh", body: "#!/bin/sh", mode: 0o6755},
		{name: "ro", kind: tar.TypeDir, mode: 0o555},
		{name: "ro/inside", body: "x"},
		{name: "link", kind: tar.TypeSymlink, link: "/etc/passwd"},
		{name: "hard", kind: tar.TypeLink, link: "a.txt"},
		{name: "\xff\xfe", body: "not UTF-8"},
		{name: strings.Repeat("n", 255), body: "long"},
	}
	if err := Put(fd, "/work/sub", archive(t, items...), PutOptions{}); err != nil {
		t.Fatal(err)
	}
	work := filepath.Join(root, "work/sub")
	for name, want := range map[string]string{
		"a.txt": "last wins", "hard": "last wins", "deep/er/x.sh": "#!/bin/sh", "ro/inside": "x", "\xff\xfe": "not UTF-8",
		strings.Repeat("n", 255): "long",
	} {
		if got, err := os.ReadFile(filepath.Join(work, name)); string(got) != want {
			t.Errorf("%q holds %q, want %q (%v)", name, got, want, err)
		}
	}
	for name, want := range map[string]fs.FileMode{
		"a.txt": 0o640, "deep/er/x.sh": 0o755, "ro": fs.ModeDir | 0o555, "deep": fs.ModeDir | 0o755, "": fs.ModeDir | 0o755,
	} {
		fi, err := os.Lstat(filepath.Join(work, name))
		if err != nil || fi.Mode() != want {
			t.Errorf("%q: mode %v, want %v (%v)", name, fi.Mode(), want, err)
		}
	}
	if to, _ := os.Readlink(filepath.Join(work, "link")); to != "/etc/passwd" {
		t.Errorf("link leads to %q", to)
	}
	again := archive(t, item{name: "s", body: "x", mode: 0o4755})
	if err := Put(fd, "/work/sub", again, PutOptions{KeepSetID: true}); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Lstat(filepath.Join(work, "s")); err != nil || fi.Mode()&fs.ModeSetuid == 0 {
		t.Errorf("KeepSetID: mode %v, %v", fi, err)
	}
	if err := os.Chmod(filepath.Join(work, "ro"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// TestPutRefuses tries what must not be made, and what lies in wait.
func TestPutRefuses(t *testing.T) {
	tests := []struct {
		name  string
		plant func(root string) error
		items []item
	}{
		{name: "..", items: []item{{name: "../canary/file", body: "x"}}},
		{name: ".. inside", items: []item{{name: "a/../../canary/file", body: "x"}}},
		{name: "absolute", items: []item{{name: "/etc/x", body: "x"}}},
		{name: "character device", items: []item{{name: "null", kind: tar.TypeChar}}},
		{name: "block device", items: []item{{name: "disk", kind: tar.TypeBlock}}},
		{name: "FIFO", items: []item{{name: "fifo", kind: tar.TypeFifo}}},
		{name: "unknown kind", items: []item{{name: "odd", kind: 'Q'}}},
		{name: "hard link out", items: []item{{name: "h", kind: tar.TypeLink, link: "../../canary/file"}}},
		{name: "hard link to what was there", plant: func(root string) error { return os.WriteFile(root+"/work/old", nil, 0o600) },
			items: []item{{name: "h", kind: tar.TypeLink, link: "old"}}},
		{name: "own link as a parent", items: []item{{name: "l", kind: tar.TypeSymlink, link: "../../canary"}, {name: "l/file", body: "x"}}},
		{name: "own absolute link as a parent", items: []item{{name: "l", kind: tar.TypeSymlink, link: "/"}, {name: "l/etc/x", body: "x"}}},
		{name: "planted link as a parent", plant: func(root string) error { return os.Symlink("../../canary", root+"/work/l") },
			items: []item{{name: "l/file", body: "x"}}},
		{name: "planted link on the way to a new directory", plant: func(root string) error { return os.Symlink("../../canary", root+"/work/l") },
			items: []item{{name: "l/new/er/file", body: "x"}}},
		{name: "file as a parent", items: []item{{name: "f", body: "x"}, {name: "f/g", body: "x"}}},
		{name: "file in place of a directory", items: []item{{name: "d/x", body: "x"}, {name: "d", body: "x"}}},
		{name: "too many entries", items: slices.Repeat([]item{{name: "x"}}, 101)},
		{name: "too many directories in one name", items: []item{{name: strings.Repeat("d/", 200) + "x"}}},
		{name: "too many bytes", items: []item{{name: "x", body: strings.Repeat("x", 1001)}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root, fd := rooted(t)
			if err := os.Mkdir(root+"/work", 0o755); err != nil {
				t.Fatal(err)
			}
			if tt.plant != nil {
				if err := tt.plant(root); err != nil {
					t.Fatal(err)
				}
			}
			items := append(slices.Clone(tt.items), item{name: "later", body: "x"})
			err := Put(fd, "/work", archive(t, items...), PutOptions{MaxEntries: 100, MaxBytes: 1000})
			var ee *EntryError
			if !errors.As(err, &ee) || !errors.Is(err, ErrRefused) && !errors.Is(err, ErrTooMuch) {
				t.Errorf("got %v, want a refusal that names the entry", err)
			}
			if _, err := os.Lstat(root + "/work/later"); err == nil {
				t.Error("what came after was written")
			}
		})
	}
}

// TestPutReplacesLinks: a link where a file goes is replaced, never written
// through, and dir itself resolves inside the tree.
func TestPutReplacesLinks(t *testing.T) {
	root, fd := rooted(t)
	canary := filepath.Join(filepath.Dir(root), "canary")
	if err := errors.Join(
		os.Mkdir(root+"/work", 0o755),
		os.Symlink(canary+"/file", root+"/work/f"),
		os.Link(canary+"/file", root+"/work/h"),
		os.Symlink(canary, root+"/work/d"),
		os.Symlink("/work/../../../../work", root+"/way"),
	); err != nil {
		t.Fatal(err)
	}
	if err := Put(fd, "/way", archive(t, item{name: "f", body: "x"}, item{name: "h", body: "x"}, item{name: "d", kind: tar.TypeDir}), PutOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"f", "h"} {
		if data, _ := os.ReadFile(root + "/work/" + name); string(data) != "x" {
			t.Errorf("%s holds %q", name, data)
		}
	}
	if fi, err := os.Lstat(root + "/work/d"); err != nil || !fi.IsDir() {
		t.Errorf("d is %v, %v", fi, err)
	}
	// A link to an absolute path that exists outside alone leads nowhere
	// inside, and nothing is made at either end.
	if err := os.Symlink(canary, root+"/out"); err != nil {
		t.Fatal(err)
	}
	if err := Put(fd, "/out", archive(t, item{name: "file", body: "x"}), PutOptions{}); err == nil {
		t.Error("Put below a link to outside: no error")
	}
}

func TestPutTruncated(t *testing.T) {
	_, fd := rooted(t)
	whole := archive(t, item{name: "a", body: strings.Repeat("a", 2000)}, item{name: "b", body: "b"}).Bytes()
	for _, cut := range []int{100, 700, 1024, 1500, 2600, 3000, 3072, len(whole) - 1024} {
		if err := Put(fd, "/", bytes.NewReader(whole[:cut]), PutOptions{}); !errors.Is(err, ErrRefused) {
			t.Errorf("cut at %d: %v, want ErrRefused", cut, err)
		}
		// A stream that fails is not the archive's fault.
		broken := io.MultiReader(bytes.NewReader(whole[:cut]), iotest.ErrReader(syscall.ECONNRESET))
		if err := Put(fd, "/", broken, PutOptions{}); !errors.Is(err, syscall.ECONNRESET) || errors.Is(err, ErrRefused) {
			t.Errorf("failed at %d: %v, want the stream's error", cut, err)
		}
	}
	if err := Put(fd, "/", strings.NewReader(strings.Repeat("this is no tar", 100)), PutOptions{}); !errors.Is(err, ErrRefused) {
		t.Errorf("garbage: %v, want ErrRefused", err)
	}
}

// TestPutFull: no space left is reported as itself.
func TestPutFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small tmpfs needs root")
	}
	root, _ := rooted(t)
	if err := unix.Mount("none", root, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("no tmpfs can be mounted here: %v", err)
	}
	defer func() { _ = unix.Unmount(root, unix.MNT_DETACH) }()
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	err = Put(fd, "/", archive(t, item{name: "big", body: strings.Repeat("x", 1<<20)}), PutOptions{})
	if !errors.Is(err, unix.ENOSPC) {
		t.Errorf("got %v, want ENOSPC", err)
	}
}

func TestOwners(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	root, fd := rooted(t)
	const base = 200000
	toHost := func(id int) (int, bool) { return base + id, id < 65536 }
	ids := IDs{UID: toHost, GID: toHost, Inside: func(u, g int) (int, int) { return u - base, g - base }}
	if err := Put(fd, "/", archive(t, item{name: "new/f", uid: 1000, mode: 0o4755}, item{name: "l", kind: tar.TypeSymlink, link: "x", uid: 7},
		item{name: "odd", uid: 70000}), PutOptions{IDs: ids, KeepSetID: true}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]uint32{"new": base, "new/f": base + 1000, "l": base + 7, "odd": base} {
		fi, err := os.Lstat(filepath.Join(root, name))
		if err != nil || fi.Sys().(*syscall.Stat_t).Uid != want {
			t.Errorf("%s: %+v, want owner %d", name, fi, want)
		}
	}
	if fi, err := os.Lstat(root + "/new/f"); err != nil || fi.Mode()&fs.ModeSetuid == 0 {
		t.Errorf("the setuid bit went with the change of owner: %v, %v", fi, err)
	}
	r, err := Get(fd, "/new/f", GetOptions{IDs: ids})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	hdr, err := tar.NewReader(r).Next()
	if err != nil || hdr.Uid != 1000 || hdr.Mode != 0o755 {
		t.Errorf("Get: %+v %v, want uid 1000, mode 0755", hdr, err)
	}
}
