package store

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cupel.dev/cupel/internal/oci/layer"
)

func archive(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, body := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(body))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func file(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.tar")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

var single = Options{Ownership: layer.Ownership{SingleID: true}}

func opened(t testing.TB) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// list names what is in a directory of the store.
func (s *Store) list(t testing.TB, sub string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.dir, sub))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestTar(t *testing.T) {
	s := opened(t)
	data := archive(t, map[string]string{"bin/sh": "shell", "etc/x": "12345"})
	path := file(t, data)
	first, err := s.Tar(context.Background(), path, single)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(first.Dir, "bin/sh")); err != nil || string(b) != "shell" {
		t.Errorf("bin/sh holds %q, %v", b, err)
	}
	if first.Size != 10 || !strings.HasPrefix(first.Digest, "sha256:") || first.Entries < 2 {
		t.Errorf("%+v", first)
	}
	if again, err := s.Tar(context.Background(), path, single); err != nil || again != first {
		t.Errorf("again: %+v, %v", again, err)
	}
	// The same bytes elsewhere are the same image; other bytes in the same
	// file are another.
	if copied, err := s.Tar(context.Background(), file(t, data), single); err != nil || copied.Dir != first.Dir {
		t.Errorf("a copy: %+v, %v", copied, err)
	}
	if err := os.WriteFile(path, archive(t, map[string]string{"bin/sh": "SHELL", "etc/x": "12345"}), 0o644); err != nil {
		t.Fatal(err)
	}
	if other, err := s.Tar(context.Background(), path, single); err != nil || other.Digest == first.Digest {
		t.Errorf("after a change: %+v, %v", other, err)
	}
	if got := s.list(t, "images"); len(got) != 2 {
		t.Errorf("images: %v", got)
	}
	if got := s.list(t, "tmp"); len(got) != 0 {
		t.Errorf("tmp: %v", got)
	}
}

// TestDigestIsKept: a file that was digested is not read again, and one whose
// time was set back after a change is.
func TestDigestIsKept(t *testing.T) {
	s := opened(t)
	data := archive(t, map[string]string{"bin/sh": "shell"})
	path := file(t, data)
	first, err := s.Tar(context.Background(), path, single)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	// A read would be ended by the context, which the index does not ask.
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if again, err := s.Tar(ended, path, single); err != nil || again != first {
		t.Errorf("it was read again: %+v, %v", again, err)
	}
	if err := os.WriteFile(path, bytes.Replace(data, []byte("shell"), []byte("SHELL"), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, before.ModTime(), before.ModTime()); err != nil {
		t.Fatal(err)
	}
	if other, err := s.Tar(context.Background(), path, single); err != nil || other.Digest == first.Digest {
		t.Errorf("after a change with the old time: %+v, %v", other, err)
	}
}

func TestOwnershipIsPartOfTheKey(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	s := opened(t)
	path := file(t, archive(t, map[string]string{"bin/sh": "shell"}))
	dirs := map[string]bool{}
	for _, o := range []layer.Ownership{{SingleID: true}, {UIDBase: 100000, GIDBase: 100000, IDs: 65536}, {UIDBase: 200000, GIDBase: 200000, IDs: 65536}} {
		r, err := s.Tar(context.Background(), path, Options{Ownership: o})
		if err != nil {
			t.Fatal(err)
		}
		dirs[r.Dir] = true
		for _, p := range []string{r.Dir, r.Dir + "/bin", r.Dir + "/bin/sh"} {
			fi, err := os.Lstat(p)
			if err != nil || int(fi.Sys().(*syscall.Stat_t).Uid) != o.UIDBase {
				t.Errorf("%v: %s belongs to %v (%v)", o, p, fi.Sys().(*syscall.Stat_t).Uid, err)
			}
		}
	}
	if len(dirs) != 3 {
		t.Errorf("directories %v, want 3", dirs)
	}
}

// TestBadImages: each error names what is wrong, and nothing stays.
func TestBadImages(t *testing.T) {
	s := opened(t)
	whole := archive(t, map[string]string{"bin/sh": strings.Repeat("shell", 1000)})
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		filepath.Join(t.TempDir(), "absent.tar"): "absent.tar: no such file",
		t.TempDir():                              "not a regular file",
		fifo:                                     "not a regular file",
		file(t, whole[:2000]):                    `"bin/sh"`,
		file(t, []byte("no archive")):            "not a whole tar",
		file(t, nil):                             "empty",
		file(t, []byte("\x28\xb5\x2f\xfd....")):  "zstd",
		file(t, archive(t, map[string]string{"../../../escape": "x"})): `"../../../escape"`,
	} {
		_, err := s.Tar(context.Background(), path, single)
		if !errors.Is(err, ErrImage) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want ErrImage that says %s", path, err, says)
		}
	}
	for _, sub := range []string{"tmp", "images"} {
		if got := s.list(t, sub); len(got) != 0 {
			t.Errorf("%s: %v", sub, got)
		}
	}
}

// TestAtOnce asks for one image from many callers; all get the same, unpacked
// once.
func TestAtOnce(t *testing.T) {
	s := opened(t)
	path := file(t, archive(t, map[string]string{"bin/sh": strings.Repeat("x", 1<<20), "a": "", "b": "", "c": ""}))
	var wg sync.WaitGroup
	got := make([]Rootfs, 16)
	inodes := make([]uint64, len(got))
	for i := range got {
		wg.Go(func() {
			r, err := s.Tar(context.Background(), path, single)
			if err != nil {
				t.Error(err)
				return
			}
			got[i] = r
			if fi, err := os.Stat(r.Dir); err == nil {
				inodes[i] = fi.Sys().(*syscall.Stat_t).Ino
			}
		})
	}
	wg.Wait()
	for i := range got {
		if got[i] != got[0] || inodes[i] != inodes[0] {
			t.Errorf("caller %d got %+v (%d), the first %+v (%d)", i, got[i], inodes[i], got[0], inodes[0])
		}
	}
}

// TestCanceled ends while somebody else unpacks.
func TestCanceled(t *testing.T) {
	s := opened(t)
	path := file(t, archive(t, map[string]string{"bin/sh": "x"}))
	f, err := openArchive(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	digest, err := s.digest(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	lock, err := s.tryLock(digest + "-single")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.Tar(ctx, path, single); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	lock.Close()
	if _, err := s.Tar(context.Background(), path, single); err != nil {
		t.Error(err)
	}
}

func TestOtherSchema(t *testing.T) {
	s := opened(t)
	if err := os.WriteFile(filepath.Join(s.dir, "format.json"), []byte(`{"schema": 99}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(s.dir); err == nil || !strings.Contains(err.Error(), "schema 99") {
		t.Errorf("got %v", err)
	}
}

// TestRunsFromTheStore packs a program of this machine with the libraries that
// it needs, unpacks it and runs it there.
func TestRunsFromTheStore(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("chroot needs root")
	}
	program, err := exec.LookPath("true")
	if err != nil {
		t.Skip("no true on this machine")
	}
	tarPath := filepath.Join(t.TempDir(), "image.tar")
	args := []string{"-chf", tarPath, "--absolute-names", program}
	if out, err := exec.Command("ldd", program).Output(); err == nil {
		for field := range strings.FieldsSeq(string(out)) {
			if strings.HasPrefix(field, "/") {
				args = append(args, field)
			}
		}
	}
	if out, err := exec.Command("tar", args...).CombinedOutput(); err != nil {
		t.Skipf("no tar here: %v %s", err, out)
	}
	r, err := opened(t).Tar(context.Background(), tarPath, single)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Dir(r.Dir); err != nil {
		t.Error(err)
	}
	cmd := exec.Command(program)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: r.Dir}
	cmd.Dir = "/"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("run it: %v %s", err, out)
	}
}
