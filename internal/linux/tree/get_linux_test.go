package tree

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// listing reads a Get to its end as "name kind body".
func listing(fd int, name string, o GetOptions) ([]string, error) {
	r, err := Get(fd, name, o)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var out []string
	for tr := tar.NewReader(r); ; {
		hdr, err := tr.Next()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		var head [20]byte
		n, err := io.ReadFull(tr, head[:])
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return out, err
		}
		if _, err := io.Copy(io.Discard, tr); err != nil {
			return out, err
		}
		out = append(out, fmt.Sprintf("%q %c %s%s", hdr.Name, hdr.Typeflag, head[:n], hdr.Linkname))
	}
}

func TestGet(t *testing.T) {
	root, fd := rooted(t)
	if err := errors.Join(
		os.MkdirAll(root+"/w/d/empty", 0o755),
		os.WriteFile(root+"/w/d/a", []byte("A"), 0o644),
		os.WriteFile(root+"/w/b\xff", []byte("B"), 0o644),
		os.WriteFile(root+"/w/none", nil, 0o644),
		os.Symlink("/etc/passwd", root+"/w/link"),
		os.Symlink("../canary", root+"/w/dirlink"),
		unix.Mkfifo(root+"/w/fifo", 0o644),
	); err != nil {
		t.Fatal(err)
	}
	socket(t, root+"/w/socket")
	tests := map[string][]string{
		"/w":      {`"w/" 5 `, `"w/b\xff" 0 B`, `"w/d/" 5 `, `"w/d/a" 0 A`, `"w/d/empty/" 5 `, `"w/dirlink" 2 ../canary`, `"w/link" 2 /etc/passwd`, `"w/none" 0 `},
		"/w/d/a":  {`"a" 0 A`},
		"/w/link": {`"link" 2 /etc/passwd`},
		"w//./d/": {`"d/" 5 `, `"d/a" 0 A`, `"d/empty/" 5 `},
	}
	for name, want := range tests {
		if got, err := listing(fd, name, GetOptions{}); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s:\n%s\nwant\n%s\n%v", name, strings.Join(got, "\n"), strings.Join(want, "\n"), err)
		}
	}
	if got, err := listing(fd, "/", GetOptions{}); err != nil || len(got) != 9 || got[0] != `"./" 5 ` || got[1] != `"./w/" 5 ` {
		t.Errorf("/: %v %v", got, err)
	}
	for name, want := range map[string]error{
		"/absent": unix.ENOENT, "/w/absent/x": unix.ENOENT, "/w/fifo": ErrRefused, "/w/socket": ErrRefused,
		"/w/dirlink/file": ErrRefused, "/w/../../canary": ErrRefused, "/w/d/a/x": ErrRefused,
	} {
		if _, err := listing(fd, name, GetOptions{}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}

// socket makes one by a relative name: an absolute one can be too long.
func socket(t *testing.T, path string) {
	t.Helper()
	t.Chdir(filepath.Dir(path))
	l, err := net.Listen("unix", filepath.Base(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
}

// TestKernelInterfaces reads and writes /proc and /sys through the host's root.
func TestKernelInterfaces(t *testing.T) {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, name := range []string{"/proc/self/environ", "/proc/1/environ", "/proc", "/proc/sys/kernel/hostname", "/sys/kernel"} {
		if got, err := listing(fd, name, GetOptions{}); err == nil {
			t.Errorf("Get %s: %d entries, want an error", name, len(got))
		}
	}
	for _, dir := range []string{"/proc/sys/kernel", "/proc/self/cwd", "/proc/new"} {
		if err := Put(fd, dir, archive(t, item{name: "cupel-test", body: "x"}), PutOptions{}); err == nil {
			t.Errorf("Put %s: no error", dir)
		}
	}
}

func TestGetBounds(t *testing.T) {
	root, fd := rooted(t)
	f, err := os.Create(root + "/sparse")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(1 << 40); err != nil {
		t.Skipf("no sparse file of 1 TB here: %v", err)
	}
	if _, err := listing(fd, "/sparse", GetOptions{MaxBytes: 1 << 20}); !errors.Is(err, ErrTooMuch) {
		t.Errorf("sparse file: %v, want ErrTooMuch", err)
	}
	if err := os.Remove(root + "/sparse"); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if err := os.WriteFile(fmt.Sprintf("%s/%d", root, i), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := listing(fd, "/", GetOptions{MaxEntries: 20}); !errors.Is(err, ErrTooMuch) {
		t.Errorf("entries: %v, want ErrTooMuch", err)
	}
	if got, err := listing(fd, "/", GetOptions{MaxEntries: 21}); err != nil || len(got) != 21 {
		t.Errorf("entries: %d, %v", len(got), err)
	}
}

// TestGetEndsEarly closes readers that are not at their end, and counts the
// descriptors left.
func TestGetEndsEarly(t *testing.T) {
	root, fd := rooted(t)
	if err := os.WriteFile(root+"/f", make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		r, err := Get(fd, "/", GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, r, 4000); err != nil {
			t.Fatal(err)
		}
		r.Close()
	}
	if after, _ := os.ReadDir("/proc/self/fd"); len(after) > len(before) {
		t.Errorf("%d descriptors before, %d after", len(before), len(after))
	}
}

// TestGetWhileItChanges reads a file that grows and shrinks: the archive must
// stay one.
func TestGetWhileItChanges(t *testing.T) {
	root, fd := rooted(t)
	if err := os.WriteFile(root+"/f", make([]byte, 300_000), 0o644); err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				_ = os.Truncate(root+"/f", int64(i%7)*100_000)
			}
		}
	}()
	for range 200 {
		if got, err := listing(fd, "/f", GetOptions{}); err != nil || len(got) != 1 {
			t.Errorf("%v %v", got, err)
			break
		}
	}
	close(stop)
	<-done
}

// TestDeep makes a tree far deeper than PATH_MAX, uploads into its depth, reads
// it and removes it.
func TestDeep(t *testing.T) {
	_, fd := rooted(t)
	const depth = 2500 // × 5 bytes a name: three times PATH_MAX
	name := strings.Repeat("deep/", depth) + "file"
	if err := Put(fd, "/d", archive(t, item{name: name, body: "bottom"}, item{name: name + "2", body: "x"}), PutOptions{}); err != nil {
		t.Fatal(err)
	}
	got, err := listing(fd, "/d", GetOptions{})
	if err != nil || len(got) != depth+3 || !strings.HasSuffix(got[depth+1], "0 bottom") {
		t.Fatalf("%d entries, %v", len(got), err)
	}
	if err := RemoveAll(fd, "d"); err != nil {
		t.Fatal(err)
	}
	if n, err := Pristine(fd); n != 0 || err != nil {
		t.Errorf("left: %d, %v", n, err)
	}
}

func TestRemoveAll(t *testing.T) {
	root, fd := rooted(t)
	if err := errors.Join(
		os.MkdirAll(root+"/d/closed/in", 0o755), os.WriteFile(root+"/d/closed/f", nil, 0),
		os.Symlink("../../canary", root+"/d/out"), os.Symlink("../canary", root+"/link"),
		os.Chmod(root+"/d/closed", 0), os.Chmod(root+"/d", 0o555),
	); err != nil {
		t.Fatal(err)
	}
	if n, err := Pristine(fd); n != 2 || err != nil {
		t.Errorf("Pristine: %d, %v, want 2", n, err)
	}
	for _, name := range []string{"d", "link", "absent"} {
		if err := RemoveAll(fd, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n, err := Pristine(fd); n != 0 || err != nil {
		t.Errorf("Pristine: %d, %v, want 0", n, err)
	}
}
