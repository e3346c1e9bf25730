//go:build linux

package e2e

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// rootfs returns a tar of a small Debian with python3, made once and kept.
func rootfs(t *testing.T) string {
	t.Helper()
	file := filepath.Join(cacheDir(t), "rootfs.tar")
	if _, err := os.Stat(file); err == nil {
		return file
	}
	tool := program(t, "mmdebstrap", "mmdebstrap")
	if os.Geteuid() != 0 {
		t.Skip("not root: mmdebstrap would need ranges of ids")
	}
	// The tests of several packages may make it at the same time.
	part, err := os.CreateTemp(cacheDir(t), "rootfs-*.tar")
	if err != nil {
		t.Fatal(err)
	}
	part.Close()
	defer os.Remove(part.Name())
	args := []string{"--quiet", "--format=tar", "--variant=essential", "--include=python3"}
	for _, dir := range []string{"doc", "man", "locale", "i18n"} {
		args = append(args, "--dpkgopt=path-exclude=/usr/share/"+dir+"/*")
	}
	out, err := exec.Command(tool, append(args, "bookworm", part.Name())...).CombinedOutput()
	if err != nil {
		t.Fatalf("mmdebstrap: %v\n%s", err, clip(string(out)))
	}
	if err := os.Rename(part.Name(), file); err != nil {
		t.Fatal(err)
	}
	return file
}

// pythonRootfs is the rootfs with a program called python, as the images that
// ms-enclave's clients ask for have one: a tar, made once and kept.
func pythonRootfs(t *testing.T) string {
	t.Helper()
	return rootfsWithLink(t, "rootfs-python.tar", "python", "python3")
}

// rootfsWithLink is the rootfs with one link more in /usr/bin.
func rootfsWithLink(t *testing.T, name, link, target string) string {
	t.Helper()
	from := rootfs(t)
	file := filepath.Join(cacheDir(t), name)
	if _, err := os.Stat(file); err == nil {
		return file
	}
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	part, err := os.CreateTemp(cacheDir(t), "rootfs-*.tar")
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(part.Name())
	to := tar.NewWriter(part)
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = to.WriteHeader(h)
		}
		if err == nil {
			_, err = io.Copy(to, r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	err = to.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "./usr/bin/" + link, Linkname: target, Mode: 0o777})
	if err := errors.Join(err, to.Close(), part.Chmod(0o644), part.Close(), os.Rename(part.Name(), file)); err != nil {
		t.Fatal(err)
	}
	return file
}

// pythonImage is the same under a path that every user may read, as an image's
// name.
func pythonImage(t *testing.T) string {
	t.Helper()
	return shared(t, pythonRootfs(t))
}

// sharedImage is the rootfs under a path that every user may read, as an
// image's name.
func sharedImage(t *testing.T) string {
	t.Helper()
	return shared(t, rootfs(t))
}

func shared(t *testing.T, from string) string {
	t.Helper()
	file := filepath.Join(bin, filepath.Base(from))
	if _, err := os.Stat(file); err == nil {
		return "tar:" + file
	}
	if os.Link(from, file) != nil {
		copyFile(t, from, file)
	}
	return "tar:" + file
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
}
