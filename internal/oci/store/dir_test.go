package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDir(t *testing.T) {
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{
		"merged/usr/bin/sh": 0o755, "old/bin/sh": 0o755, "static/program": 0o755, "data/bin/readme": 0o644, "plain": 0o644,
	} {
		if err := os.MkdirAll(filepath.Join(base, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(base, name), []byte("x"), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("usr/bin", base+"/merged/bin"), os.Symlink("merged", base+"/link"), os.Mkdir(base+"/empty", 0o755)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"merged": "merged", "old": "old", "static": "static", "link": "merged"} {
		r, err := Dir(filepath.Join(base, name))
		if err != nil || r.Dir != filepath.Join(base, want) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	for name, says := range map[string]string{"absent": "no such file", "plain": "not a directory", "empty": "no program", "data": "no program"} {
		if _, err := Dir(filepath.Join(base, name)); !errors.Is(err, ErrImage) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want ErrImage that says %q", name, err, says)
		}
	}
}
