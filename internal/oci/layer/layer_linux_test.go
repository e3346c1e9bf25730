package layer

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cupel.dev/cupel/internal/linux/tree"
)

func archive(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		body := ""
		if h.Uname != "" { // the content of a file, in these tests
			body, h.Uname = h.Uname, ""
			h.Size = int64(len(body))
		}
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Mode == 0 {
			h.Mode = 0o755
		}
		if err := w.WriteHeader(&h); err != nil {
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

func zipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// target makes a directory beside a canary, which is looked at in the end.
func target(t testing.TB) string {
	t.Helper()
	out := t.TempDir()
	if err := errors.Join(os.Mkdir(out+"/root", 0o755), os.WriteFile(out+"/canary", []byte("canary"), 0o600)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { checkCanary(t, out) })
	return out + "/root"
}

func checkCanary(t testing.TB, out string) {
	t.Helper()
	names, _ := os.ReadDir(out)
	data, err := os.ReadFile(out + "/canary")
	fi, serr := os.Lstat(out + "/canary")
	if err != nil || serr != nil || len(names) != 2 || string(data) != "canary" || fi.Mode().Perm() != 0o600 || fi.Sys().(*syscall.Stat_t).Nlink != 1 {
		t.Fatalf("outside was touched: %v %q %v %v", names, data, fi, err)
	}
}

var single = Options{Ownership: Ownership{SingleID: true}}

func read(root, name string) string {
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// TestImage unpacks what images have in them, in both wrappings.
func TestImage(t *testing.T) {
	when := time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)
	long := strings.Repeat("long/", 50) + strings.Repeat("n", 120)
	plain := archive(t,
		tar.Header{Name: "./", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: "usr/bin/", Typeflag: tar.TypeDir, ModTime: when},
		tar.Header{Name: "bin", Typeflag: tar.TypeSymlink, Linkname: "/usr/bin"},
		tar.Header{Name: "bin/sh", Uname: "shell", Mode: 0o755},
		tar.Header{Name: "usr/bin/su", Uname: "su", Mode: 0o4755, ModTime: when},
		tar.Header{Name: "/absolute", Uname: "kept inside"},
		tar.Header{Name: "hard", Typeflag: tar.TypeLink, Linkname: "/bin/sh"},
		tar.Header{Name: "dev/null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3},
		tar.Header{Name: "dev/sda", Typeflag: tar.TypeBlock},
		tar.Header{Name: "run/fifo", Typeflag: tar.TypeFifo, Mode: 0o620},
		tar.Header{Name: long, Uname: "pax", Format: tar.FormatPAX},
		tar.Header{Name: long + "2", Uname: "gnu", Format: tar.FormatGNU},
		tar.Header{Name: "dup", Uname: "first"},
		tar.Header{Name: "dup", Uname: "second"},
		tar.Header{Name: "was-dir/x/y", Uname: "y"},
		tar.Header{Name: "was-dir", Uname: "file"},
		tar.Header{Name: "was-file", Uname: "file"},
		tar.Header{Name: "was-file", Typeflag: tar.TypeDir},
		tar.Header{Name: "was-file/in", Uname: "in"},
		tar.Header{Name: "closed", Typeflag: tar.TypeDir, Mode: 0o500},
		tar.Header{Name: "closed/in", Uname: "in"},
		tar.Header{Name: ".wh.plain", Uname: "a file like any other"},
		tar.Header{Name: "x", Uname: "x", PAXRecords: map[string]string{"SCHILY.xattr.security.capability": "\x01\x00\x00\x02", "SCHILY.xattr.user.cupel": "v"}},
	)
	for name, b := range map[string][]byte{"tar": plain, "tar.gz": zipped(t, plain)} {
		t.Run(name, func(t *testing.T) {
			root := target(t)
			stats, err := Unpack(context.Background(), root, bytes.NewReader(b), single)
			if err != nil {
				t.Fatal(err)
			}
			defer os.Chmod(root+"/closed", 0o755)
			if stats.Devices != 2 || stats.Xattrs < 1 || stats.Entries < 23 {
				t.Errorf("stats %+v", stats)
			}
			for name, want := range map[string]string{
				"usr/bin/sh": "shell", "hard": "shell", "absolute": "kept inside", long: "pax", long + "2": "gnu", "dup": "second",
				"was-dir": "file", "was-file/in": "in", "closed/in": "in", ".wh.plain": "a file like any other",
			} {
				if got := read(root, name); got != want {
					t.Errorf("%s holds %q, want %q", name, got, want)
				}
			}
			for name, want := range map[string]fs.FileMode{
				"usr/bin/su": fs.ModeSetuid | 0o755, "closed": fs.ModeDir | 0o500, "run/fifo": fs.ModeNamedPipe | 0o620, "usr": fs.ModeDir | 0o755,
			} {
				if fi, err := os.Lstat(filepath.Join(root, name)); err != nil || fi.Mode() != want {
					t.Errorf("%s: %v %v, want %v", name, fi, err, want)
				}
			}
			for _, name := range []string{"usr/bin", "usr/bin/su"} {
				if fi, err := os.Lstat(filepath.Join(root, name)); err != nil || !fi.ModTime().Equal(when) {
					t.Errorf("%s: time %v, want %v", name, fi.ModTime(), when)
				}
			}
			for _, name := range []string{"dev/null", "dev/sda"} {
				if _, err := os.Lstat(filepath.Join(root, name)); err == nil {
					t.Errorf("%s was made", name)
				}
			}
			buf := make([]byte, 64)
			if n, err := syscall.Getxattr(root+"/x", "user.cupel", buf); err == nil && string(buf[:n]) != "v" {
				t.Errorf("user.cupel is %q", buf[:n])
			}
			if n, err := syscall.Getxattr(root+"/x", "security.capability", buf); err == nil {
				t.Errorf("security.capability is %q", buf[:n])
			}
		})
	}
}

// TestSparse unpacks a file that is 64 MiB long and nearly nothing on disk, in
// the old GNU form.
func TestSparse(t *testing.T) {
	const size = 64 << 20
	b := archive(t, tar.Header{Name: "sparse", Uname: "END!", Format: tar.FormatGNU})
	h := b[:512]
	h[156] = 'S'
	copy(h[386:], fmt.Sprintf("%011o\x00%011o\x00", size-4, 4)) // one piece, at the end
	copy(h[483:], fmt.Sprintf("%011o\x00", size))
	copy(h[148:156], "        ")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	root := target(t)
	if _, err := Unpack(context.Background(), root, bytes.NewReader(b), single); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(root + "/sparse")
	if err != nil {
		t.Fatal(err)
	}
	if blocks := fi.Sys().(*syscall.Stat_t).Blocks; fi.Size() != size || blocks*512 > 2<<20 {
		t.Errorf("size %d, %d bytes on disk", fi.Size(), blocks*512)
	}
	got := make([]byte, 8)
	f, err := os.Open(root + "/sparse")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(got, size-8); err != nil || string(got) != "\x00\x00\x00\x00END!" {
		t.Errorf("its end is %q, %v", got, err)
	}
}

func TestForms(t *testing.T) {
	whole := archive(t, tar.Header{Name: "a", Uname: strings.Repeat("a", 3000)}, tar.Header{Name: "b", Uname: "b"})
	z := zipped(t, whole)
	broken := bytes.Clone(z)
	broken[len(broken)-6] ^= 0xff // the checksum
	for name, tt := range map[string]struct {
		data []byte
		says string
	}{
		"zstd":                {[]byte("\x28\xb5\x2f\xfd rest"), "zstd"},
		"xz":                  {[]byte("\xfd7zXZ\x00 rest"), "xz"},
		"squashfs":            {[]byte("hsqs rest"), "squashfs"},
		"text":                {[]byte(strings.Repeat("text ", 200)), "not a whole tar"},
		"nothing":             {nil, "empty"},
		"cut in a file":       {whole[:2000], `"a"`},
		"cut between entries": {whole[:3584], "not a whole tar"},
		"cut gzip":            {z[:len(z)-20], "unexpected EOF"},
		"gzip with a bad sum": {broken, "checksum"},
		"gzip of nothing":     {zipped(t, nil), "empty"},
		"broken gzip header":  {[]byte("\x1f\x8b\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), "gzip"},
	} {
		_, err := Unpack(context.Background(), target(t), bytes.NewReader(tt.data), single)
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want it to say %s", name, err, tt.says)
		}
	}
}

// TestBomb reads zeros that compress a thousand times; the ratio stops it long
// before the end.
func TestBomb(t *testing.T) {
	r, w := io.Pipe()
	go func() {
		z, _ := gzip.NewWriterLevel(w, gzip.BestCompression)
		for block := make([]byte, 1<<20); ; {
			if _, err := z.Write(block); err != nil {
				return
			}
		}
	}()
	defer r.Close()
	plain, err := decompress(&countingReader{ctx: context.Background(), r: r}, 0)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, io.LimitReader(plain, 1<<30))
	if !errors.Is(err, tree.ErrTooMuch) || n > 2*ratioFrom {
		t.Errorf("after %d bytes: %v, want ErrTooMuch", n, err)
	}
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Unpack(ctx, target(t), bytes.NewReader(archive(t, tar.Header{Name: "a"})), single); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestOwners(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	root := target(t)
	o := Options{Ownership: Ownership{UIDBase: 300000, GIDBase: 400000, IDs: 65536}}
	stats, err := Unpack(context.Background(), root, bytes.NewReader(archive(t,
		tar.Header{Name: "./", Typeflag: tar.TypeDir}, tar.Header{Name: "implied/f", Uname: "x", Uid: 33, Gid: 34},
		tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "x", Uid: 1}, tar.Header{Name: "far", Uname: "x", Uid: 1 << 20, Gid: 5})), o)
	if err != nil || stats.IDs != 1 {
		t.Fatalf("%+v %v", stats, err)
	}
	for name, want := range map[string][2]uint32{"": {300000, 400000}, "implied": {300000, 400000}, "implied/f": {300033, 400034}, "l": {300001, 400000}, "far": {300000, 400005}} {
		fi, err := os.Lstat(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if st := fi.Sys().(*syscall.Stat_t); st.Uid != want[0] || st.Gid != want[1] {
			t.Errorf("%q belongs to %d:%d, want %v", name, st.Uid, st.Gid, want)
		}
	}
}

// FuzzUnpack feeds broken and hostile archives: no panic, nothing outside, the
// bounds kept.
func FuzzUnpack(f *testing.F) {
	f.Add(archive(f, tar.Header{Name: "a/b", Uname: "x"}, tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: ".."}, tar.Header{Name: "l/canary", Uname: "y"}))
	f.Add(archive(f, tar.Header{Name: "d", Typeflag: tar.TypeDir, Mode: 0o777}, tar.Header{Name: "h", Typeflag: tar.TypeLink, Linkname: "d"}, tar.Header{Name: "p", Typeflag: tar.TypeFifo}))
	f.Add(zipped(f, archive(f, tar.Header{Name: strings.Repeat("n/", 300) + "n", Uname: "x", Format: tar.FormatPAX})))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		out, err := os.MkdirTemp("", "fuzz")
		if err != nil {
			t.Fatal(err)
		}
		root := out + "/root"
		defer func() {
			d, err := os.Open(out)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(tree.RemoveAll(int(d.Fd()), "root"), d.Close(), os.RemoveAll(out)); err != nil {
				t.Fatal(err)
			}
		}()
		if err := errors.Join(os.Mkdir(root, 0o755), os.WriteFile(out+"/canary", []byte("canary"), 0o600)); err != nil {
			t.Fatal(err)
		}
		stats, err := Unpack(context.Background(), root, bytes.NewReader(data), Options{Ownership: single.Ownership, MaxEntries: 200, MaxBytes: 1 << 20})
		if stats.Bytes > 1<<20 || err == nil && stats.Entries > 200 {
			t.Errorf("bounds passed: %+v", stats)
		}
		checkCanary(t, out)
	})
}
