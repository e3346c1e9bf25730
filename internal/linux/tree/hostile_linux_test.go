package tree

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// TestHostile runs Put and Get while a program swaps the directories that they
// work in for links that lead out. Either they work inside, or they fail.
func TestHostile(t *testing.T) {
	root, fd := rooted(t)
	canary := filepath.Join(filepath.Dir(root), "canary")
	if err := os.MkdirAll(root+"/work/d/e", 0o755); err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !stop.Load() {
			swap(root+"/work/d", root+"/aside", canary)
			swap(root+"/work/d/e", root+"/e", "../../../canary")
			swap(root+"/work/d/new", root+"/n", "../../../canary")
		}
	}()
	body := archive(t, item{name: "d/e/file", body: "x"}, item{name: "d/new/dir/file", body: "x"},
		item{name: "d/e", kind: tar.TypeDir, mode: 0o777}).Bytes()
	puts, gets := 0, 0
	var lastErr error
	// On a busy machine the swapping may stand still in one state for long.
	for i := 0; i < 1500 || (puts == 0 || gets == 0) && i < 200_000; i++ {
		if err := Put(fd, "/work", bytes.NewReader(body), PutOptions{}); err == nil {
			puts++
		} else {
			lastErr = err
		}
		r, err := Get(fd, "/work", GetOptions{})
		if err != nil {
			continue
		}
		data, err := io.ReadAll(r)
		r.Close()
		if err == nil {
			gets++
		}
		if bytes.Contains(data, []byte(canaryText)) {
			t.Fatal("Get read the canary")
		}
	}
	stop.Store(true)
	<-done
	if puts == 0 || gets == 0 {
		t.Errorf("%d Puts and %d Gets went through: nothing was tried (%v)", puts, gets, lastErr)
	}
}

// swap puts a link in place of path for a moment.
func swap(path, aside, target string) {
	if os.Rename(path, aside) != nil {
		return
	}
	_ = os.Symlink(target, path)
	_ = os.Remove(path)
	_ = os.Rename(aside, path)
}

// FuzzPut feeds broken and hostile uploads into a tree with links that lead
// out: no panic, nothing outside touched, the bounds kept.
func FuzzPut(f *testing.F) {
	f.Add(archive(f, item{name: "a/b", body: "x"}, item{name: "l", kind: tar.TypeSymlink, link: ".."}, item{name: "l/canary", body: "y"}).Bytes())
	f.Add(archive(f, item{name: "d", kind: tar.TypeDir}, item{name: "f", body: "z"}, item{name: "h", kind: tar.TypeLink, link: "f"}).Bytes())
	f.Add(archive(f, item{name: "out/file", body: "x"}, item{name: strings.Repeat("d/", 200) + "x"}).Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		root, fd := rooted(t)
		if err := errors.Join(os.Mkdir(root+"/work", 0o755), os.Symlink("../../canary", root+"/work/out")); err != nil {
			t.Fatal(err)
		}
		_ = Put(fd, "/work", bytes.NewReader(data), PutOptions{MaxEntries: 100, MaxBytes: 1 << 20})
		// A plain user can't read what has the mode 0.
		if _, err := listing(fd, "/", GetOptions{MaxEntries: 1000}); err != nil && os.Geteuid() == 0 {
			t.Errorf("what was put can't be got: %v", err)
		}
		if err := RemoveAll(fd, "work"); err != nil {
			t.Error(err)
		}
	})
}

// BenchmarkPut uploads what a run of one small program needs.
func BenchmarkPut(b *testing.B) {
	fd, err := unix.Open(b.TempDir(), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(fd)
	body := archive(b, item{name: "main.py", body: strings.Repeat("x", 2000)}).Bytes()
	b.ReportAllocs()
	for b.Loop() {
		if err := Put(fd, "/work", bytes.NewReader(body), PutOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestMovedAway moves a directory up while a walk is in it: the way back would
// lead past the top, and ends there instead.
func TestMovedAway(t *testing.T) {
	root, fd := rooted(t)
	if err := os.MkdirAll(root+"/a/b/c", 0o755); err != nil {
		t.Fatal(err)
	}
	w := walker{fd: -1}
	defer w.close()
	at := fd
	for _, name := range []string{"a", "b", "c"} {
		next, err := openAt(at, name, openDir, 0)
		if err == nil {
			err = w.enter(next, name, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		at = w.fd
	}
	if err := os.Rename(root+"/a/b/c", root+"/c"); err != nil {
		t.Fatal(err)
	}
	if err := w.leave(); !errors.Is(err, errMoved) {
		t.Errorf("going up from a directory that was moved: %v, want errMoved", err)
	}
}
