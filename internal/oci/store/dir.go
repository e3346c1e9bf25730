package store

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Dir checks that path is a directory that can be the root of a sandbox: there,
// open to the caller, and with a program in it. Its links are resolved.
func Dir(path string) (Rootfs, error) {
	abs, err := filepath.Abs(path)
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	if err != nil {
		return Rootfs{}, fmt.Errorf("%w: directory %q: %w", ErrImage, path, err)
	}
	fi, err := os.Stat(abs)
	if err != nil {
		return Rootfs{}, fmt.Errorf("%w: directory %q: %w", ErrImage, path, err)
	}
	if !fi.IsDir() {
		return Rootfs{}, fmt.Errorf("%w: %q is a %s, not a directory (an archive is tar:PATH)", ErrImage, path, kindOf(fi))
	}
	entries, err := os.ReadDir(abs)
	if err != nil {
		return Rootfs{}, fmt.Errorf("%w: directory %q: %w", ErrImage, path, err)
	}
	for _, sub := range []string{"usr/bin", "bin", "usr/local/bin", "sbin", "usr/sbin"} {
		if list, err := os.ReadDir(filepath.Join(abs, sub)); err == nil && hasProgram(list, true) {
			return Rootfs{Dir: abs}, nil
		}
	}
	if hasProgram(entries, false) {
		return Rootfs{Dir: abs}, nil // an image of one static program
	}
	return Rootfs{}, fmt.Errorf("%w: directory %q holds no program: neither usr/bin nor bin has one", ErrImage, path)
}

func kindOf(fi fs.FileInfo) string {
	if fi.Mode().IsRegular() {
		return "file"
	}
	return "special file"
}

// hasProgram looks for an executable file. Where links are taken for one, where
// they lead is the sandbox's matter.
func hasProgram(entries []fs.DirEntry, links bool) bool {
	for _, e := range entries {
		if links && e.Type() == fs.ModeSymlink {
			return true
		}
		if fi, err := e.Info(); err == nil && fi.Mode().IsRegular() && fi.Mode().Perm()&0o111 != 0 {
			return true
		}
	}
	return false
}
