package hostimage

import (
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
)

// candidate is a file of a PATH directory with a wanted name.
type candidate struct {
	name string
	dir  string // as PATH has it
	path string // dir joined with name
	real string // with every link resolved
	// links are those that lead from path to real.
	links []Link
	// shim says that real stands for another program.
	shim bool
}

// find lists the executable files called name, first of PATH first. It ends at
// the first that is no shim, since only a shim can turn out to be nothing.
func (s *survey) find(name string, dirs []string) []candidate {
	var out []candidate
	for _, dir := range dirs {
		path := filepath.Join(dir, name)
		fi, err := os.Stat(path)
		if err != nil || !fi.Mode().IsRegular() || !executable(fi) {
			continue
		}
		real, links, err := follow(path)
		if err != nil {
			continue
		}
		s.watch(path)
		c := candidate{name: name, dir: dir, path: path, real: real, links: links}
		c.shim = isShim(c)
		out = append(out, c)
		if !c.shim {
			break
		}
	}
	return out
}

// executable asks for what the sandbox's user will have. Root's sandboxes run
// as other ids, so root's own power to open anything does not count.
func executable(fi os.FileInfo) bool {
	if os.Geteuid() == 0 {
		return fi.Mode().Perm()&0o001 != 0
	}
	return fi.Mode().Perm()&0o111 != 0
}

// proxies are programs that stand for many others by the name they are called.
var proxies = []string{"rustup", "volta-shim", "mise", "asdf", "proto", "nodenv", "fnm"}

// isShim reports whether c is a proxy, or a script where an interpreter is
// looked for. A script that is some other tool (tsc, kotlinc) is the tool.
func isShim(c candidate) bool {
	if slices.Contains(proxies, filepath.Base(c.real)) {
		return true
	}
	return probes[c.name].args != nil && isScript(c.real)
}

func isScript(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var head [2]byte
	_, err = io.ReadFull(f, head[:])
	return err == nil && string(head[:]) == "#!"
}

// follow resolves every link in path and says which ones it met.
func follow(path string) (real string, links []Link, err error) {
	const most = 40 // as the kernel
	rest := strings.Split(strings.Trim(filepath.Clean(path), "/"), "/")
	for len(rest) > 0 {
		next := filepath.Join("/", real, rest[0])
		rest = rest[1:]
		fi, err := os.Lstat(next)
		if err != nil {
			return "", nil, err
		}
		if fi.Mode()&os.ModeSymlink == 0 {
			real = next
			continue
		}
		target, err := os.Readlink(next)
		if err != nil {
			return "", nil, err
		}
		if links = append(links, Link{Path: next, Target: target}); len(links) > most {
			return "", nil, fmt.Errorf("%s: too many links", path)
		}
		if filepath.IsAbs(target) {
			real = ""
		}
		// ".." has to be taken after the links before it, so it stays a step.
		rest = append(strings.Split(strings.Trim(target, "/"), "/"), rest...)
	}
	return filepath.Join("/", real), links, nil
}

// privateDirs are the caller's home and the cache directory. Unlike what homes
// are, they may lie below /usr or /opt. The system's own directories, which
// accounts of services have for a home, are not private.
func privateDirs(c Config) []string {
	dirs := []string{os.Getenv("HOME"), c.CacheDir}
	if u, err := user.Current(); err == nil {
		dirs = append(dirs, u.HomeDir)
	}
	var out []string
	for _, d := range dirs {
		real, err := filepath.EvalSymlinks(d)
		if err != nil || !filepath.IsAbs(real) || slices.Contains(out, real) {
			continue
		}
		if !slices.Contains([]string{"/", "/usr", "/usr/bin", "/usr/sbin", "/usr/local", "/usr/lib", "/bin", "/sbin"}, real) {
			out = append(out, real)
		}
	}
	return out
}

// homeDirs are the directories that are never shown as a whole.
func homeDirs() []string {
	homes := []string{"/root", "/home"}
	if more, err := os.ReadDir("/home"); err == nil {
		for _, e := range more {
			homes = append(homes, filepath.Join("/home", e.Name()))
		}
	}
	if h := os.Getenv("HOME"); filepath.IsAbs(h) {
		homes = append(homes, h)
	}
	if u, err := user.Current(); err == nil && filepath.IsAbs(u.HomeDir) {
		homes = append(homes, u.HomeDir)
	}
	for i, h := range homes {
		if real, err := filepath.EvalSymlinks(h); err == nil {
			homes[i] = real
		}
	}
	slices.Sort(homes)
	return slices.Compact(homes)
}
