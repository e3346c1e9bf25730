package hostimage

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// show adds what c needs and returns the directory of the inner PATH to find
// it in, or the reason why it can't be shown.
func (s *survey) show(c candidate, a answer) (inner, reason string) {
	path, real, links := c.path, c.real, c.links
	if c.shim {
		if a.err != nil {
			return "", fmt.Sprintf("a shim that does not say what it stands for: %v", a.err)
		}
		path = a.program
		var err error
		if real, links, err = follow(path); err != nil {
			return "", err.Error()
		}
		s.watch(a.watch...)
	}
	s.watch(real)
	dir := filepath.Dir(path)
	if slices.ContainsFunc(s.masked, func(p string) bool { return below(real, p) }) {
		return "", "it is below a home directory in /usr, which is hidden"
	}
	if reason := s.showVenv(dir); reason != "" {
		return "", reason
	}
	if !s.covered(real) {
		if reason := s.showPrefix(c.name, real); reason != "" {
			return "", reason
		}
	}
	s.addLinks(links)
	// A shim python3 may stand for a python3.12 that has no python3 beside it.
	tool := Tool{Path: filepath.Join(dir, c.name), Real: real}
	if _, err := os.Stat(tool.Path); err != nil {
		tool.Path = path
	}
	s.found[c.name] = tool
	return dir, ""
}

// showVenv shows the virtual environment that dir is the bin of, if it is one.
func (s *survey) showVenv(dir string) string {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err.Error()
	}
	root := filepath.Dir(real)
	cfg := filepath.Join(root, "pyvenv.cfg")
	f, err := os.Open(cfg)
	if err != nil || s.covered(root) {
		return ""
	}
	defer f.Close()
	if reason := s.refuse(root); reason != "" {
		return reason
	}
	s.watch(cfg)
	s.bind(root)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), "=")
		if strings.TrimSpace(key) != "home" {
			continue
		}
		// Python starts from "home", so the way there is shown as well.
		home, links, err := follow(strings.TrimSpace(value))
		if err != nil {
			return "its base is gone: " + err.Error()
		}
		s.addLinks(links)
		if base := filepath.Dir(home); !s.covered(home) && isPythonPrefix(base) && s.refuse(base) == "" {
			s.bind(base)
		}
	}
	return ""
}

// stores hold packages that refer to one another by absolute path: one of them
// is of no use without the rest.
var stores = []string{"/nix/store", "/gnu/store", "/home/linuxbrew/.linuxbrew"}

// showPrefix binds the tree that the program real belongs to, or real alone
// when it belongs to none.
func (s *survey) showPrefix(name, real string) (reason string) {
	for _, store := range stores {
		if below(real, store) {
			s.bind(store)
			return ""
		}
	}
	prefix := prefixOf(name, real)
	if prefix != "" {
		if reason = s.refuse(prefix); reason == "" {
			s.bind(prefix)
			return ""
		}
	}
	if needsPrefix(name) {
		if reason == "" {
			reason = "its library directory was not found beside it"
		}
		return reason
	}
	s.bind(real)
	return ""
}

// refuse says why a tree must not be shown, or "".
func (s *survey) refuse(prefix string) string {
	if slices.Contains([]string{"/", "/etc", "/var", "/tmp", "/run", "/proc", "/sys", "/dev", "/boot", "/mnt", "/media", "/srv"}, prefix) {
		return prefix + " holds more than a toolchain"
	}
	for _, home := range s.homes {
		if prefix == home || below(home, prefix) {
			return prefix + " is or holds a home directory"
		}
		if filepath.Dir(prefix) == home && slices.Contains([]string{".local", ".config", ".cache", ".ssh", "bin"}, filepath.Base(prefix)) {
			return prefix + " holds a user's own data"
		}
	}
	if prefix == s.config.CacheDir || below(s.config.CacheDir, prefix) {
		return prefix + " holds the cache directory"
	}
	if _, err := os.Lstat(filepath.Join(prefix, ".ssh")); err == nil {
		return prefix + " holds keys"
	}
	fi, err := os.Stat(prefix)
	if err != nil {
		return err.Error()
	}
	if os.Geteuid() == 0 && fi.Mode().Perm()&0o005 != 0o005 {
		return prefix + " is closed to other users"
	}
	return ""
}
