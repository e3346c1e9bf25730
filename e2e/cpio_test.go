//go:build linux

package e2e

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// cpio writes an initramfs: the "newc" form of cpio, a header of hexadecimal
// numbers, the name and the content of each entry, padded to four bytes.
type cpio struct {
	w   *bufio.Writer
	ino int
	at  int64
	err error
}

// File types, as in a mode of stat.
const (
	typeDir     = 0o040000
	typeFile    = 0o100000
	typeLink    = 0o120000
	typeCharDev = 0o020000
)

func newCpio(w io.Writer) *cpio { return &cpio{w: bufio.NewWriterSize(w, 1<<20)} }

func (c *cpio) entry(name string, mode int64, uid, gid int, content io.Reader, size int64) {
	if c.err != nil {
		return
	}
	c.ino++
	c.printf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00",
		c.ino, mode, uid, gid, 1, 0, size, 0, 0, 0, 0, len(name)+1, 0, name)
	c.pad()
	if content != nil && c.err == nil {
		var n int64
		n, c.err = io.Copy(c.w, content)
		c.at += n
		if c.err == nil && n != size {
			c.err = fmt.Errorf("%s has %d bytes, not %d", name, n, size)
		}
	}
	c.pad()
}

func (c *cpio) printf(format string, args ...any) {
	n, err := fmt.Fprintf(c.w, format, args...)
	c.at += int64(n)
	c.err = errors.Join(c.err, err)
}

func (c *cpio) pad() {
	for c.err == nil && c.at%4 != 0 {
		c.err = c.w.WriteByte(0)
		c.at++
	}
}

func (c *cpio) dir(name string) { c.entry(name, typeDir|0o755, 0, 0, nil, 0) }

func (c *cpio) text(name, content string) {
	c.entry(name, typeFile|0o644, 0, 0, strings.NewReader(content), int64(len(content)))
}

// program adds a file of this machine as an executable.
func (c *cpio) program(name, file string) {
	f, err := os.Open(file)
	if err != nil {
		c.err = errors.Join(c.err, err)
		return
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		c.err = errors.Join(c.err, err)
		return
	}
	c.entry(name, typeFile|0o755, 0, 0, f, st.Size())
}

// tar adds what a tar archive holds, but for devices. A hard link becomes a
// symbolic one.
func (c *cpio) tar(file string) {
	f, err := os.Open(file)
	if err != nil {
		c.err = errors.Join(c.err, err)
		return
	}
	defer f.Close()
	for r := tar.NewReader(bufio.NewReaderSize(f, 1<<20)); c.err == nil; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			c.err = err
			return
		}
		name := path.Clean(h.Name)
		switch mode := h.Mode & 0o7777; h.Typeflag {
		case tar.TypeDir:
			c.entry(name, typeDir|mode, h.Uid, h.Gid, nil, 0)
		case tar.TypeReg:
			c.entry(name, typeFile|mode, h.Uid, h.Gid, r, h.Size)
		case tar.TypeSymlink:
			c.link(name, h.Linkname)
		case tar.TypeLink:
			c.link(name, "/"+path.Clean(h.Linkname))
		}
	}
}

func (c *cpio) link(name, target string) {
	c.entry(name, typeLink|0o777, 0, 0, strings.NewReader(target), int64(len(target)))
}

func (c *cpio) close() error {
	c.entry("TRAILER!!!", 0, 0, 0, nil, 0)
	return errors.Join(c.err, c.w.Flush())
}
