package tree

import (
	"archive/tar"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// make makes the entry called by the last of names in the open directory dir.
func (u *unpacker) make(dir int, names []string, hdr *tar.Header, body io.Reader) error {
	name := names[len(names)-1]
	switch hdr.Typeflag {
	case tar.TypeDir:
		return u.makeDir(dir, names, hdr)
	case tar.TypeSymlink:
		return u.makeSymlink(dir, name, hdr)
	case tar.TypeLink:
		return u.makeLink(dir, names, hdr)
	case tar.TypeFifo:
		return u.makeFIFO(dir, name, hdr)
	case tar.TypeChar, tar.TypeBlock:
		u.stats.Devices++
		return nil
	}
	if err := u.makeFile(dir, name, hdr, body); err != nil {
		return err
	}
	if u.upload {
		if u.brought == nil {
			u.brought = map[string]bool{}
		}
		u.brought[path.Join(names...)] = true
	}
	return nil
}

// inPlaceOf runs create until it does not meet an existing file, removing what
// it meets. A program that puts one back each time wins only an error.
func (u *unpacker) inPlaceOf(dir int, name string, create func() error) error {
	const tries = 16
	var err error
	for range tries {
		if err = create(); err != unix.EEXIST {
			return err
		}
		switch uerr := unix.Unlinkat(dir, name, 0); {
		case uerr == unix.EISDIR && u.upload:
			return refused("a directory is in its place")
		case uerr == unix.EISDIR:
			if uerr = RemoveAll(dir, name); uerr != nil {
				return uerr
			}
		case uerr != nil && uerr != unix.ENOENT:
			return uerr
		}
	}
	return err
}

func (u *unpacker) makeDir(dir int, names []string, hdr *tar.Header) error {
	name := names[len(names)-1]
	existed := false
	err := u.inPlaceOf(dir, name, func() error {
		err := unix.Mkdirat(dir, name, 0o700)
		if err == unix.EEXIST {
			var st unix.Stat_t
			if serr := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); serr == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
				existed = true
				return nil
			}
		}
		return err
	})
	if err != nil || existed && u.upload {
		return err
	}
	final := finalDir{name: path.Join(names...), mode: u.mode(hdr), hdr: hdr}
	// What lies below may be named later, so an owner can always write it now.
	u.dirs = append(u.dirs, final)
	return nil
}

func (u *unpacker) makeSymlink(dir int, name string, hdr *tar.Header) error {
	if hdr.Linkname == "" || strings.ContainsRune(hdr.Linkname, 0) {
		return refused("a link to nothing")
	}
	err := u.inPlaceOf(dir, name, func() error { return unix.Symlinkat(hdr.Linkname, dir, name) })
	if err != nil {
		return err
	}
	return u.chownAt(dir, name, hdr)
}

// makeLink makes a hard link to a file of the same archive. The link is to the
// name itself, never to what a symbolic link of that name leads to.
func (u *unpacker) makeLink(dir int, names []string, hdr *tar.Header) error {
	target, err := u.checkName(hdr.Linkname)
	if err != nil || len(target) == 0 {
		return refused("a hard link to %s, which is outside", quote(hdr.Linkname))
	}
	full := path.Join(target...)
	if u.upload && !u.brought[full] {
		return refused("a hard link to %s, which the archive did not bring before it", quote(hdr.Linkname))
	}
	if slices.Equal(target, names) {
		return nil
	}
	from, err := u.openDir(target[:len(target)-1])
	if err != nil {
		return fmt.Errorf("hard link to %s: %w", quote(hdr.Linkname), linkInTheWay(err))
	}
	defer unix.Close(from)
	name := names[len(names)-1]
	err = u.inPlaceOf(dir, name, func() error { return unix.Linkat(from, target[len(target)-1], dir, name, 0) })
	if err != nil {
		return fmt.Errorf("hard link to %s: %w", quote(hdr.Linkname), err)
	}
	if u.upload {
		u.brought[path.Join(names...)] = true
	}
	return nil
}

func (u *unpacker) makeFIFO(dir int, name string, hdr *tar.Header) error {
	err := u.inPlaceOf(dir, name, func() error { return unix.Mknodat(dir, name, unix.S_IFIFO|0o600, 0) })
	if err != nil {
		return err
	}
	if err := u.chownAt(dir, name, hdr); err != nil {
		return err
	}
	return unix.Fchmodat(dir, name, u.mode(hdr), 0)
}

// makeFile writes one regular file.
func (u *unpacker) makeFile(dir int, name string, hdr *tar.Header, body io.Reader) error {
	if hdr.Size > u.bytes-u.stats.Bytes {
		return fmt.Errorf("%w: the files are over %d bytes", ErrTooMuch, u.bytes)
	}
	u.stats.Bytes += hdr.Size
	fd := -1
	err := u.inPlaceOf(dir, name, func() (err error) {
		fd, err = openAt(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	err = u.fill(fd, hdr, body)
	if err == nil {
		err = u.attributes(fd, hdr, u.mode(hdr))
	}
	if cerr := unix.Close(fd); err == nil {
		err = cerr
	}
	return err
}

// fill copies the body. In an archive's sparse file a block of zeros becomes a
// hole again.
func (u *unpacker) fill(fd int, hdr *tar.Header, body io.Reader) error {
	u.buf = copyBuffer(u.buf, hdr.Size)
	sparse := hdr.Typeflag == tar.TypeGNUSparse || hdr.PAXRecords["GNU.sparse.realsize"] != "" || hdr.PAXRecords["GNU.sparse.size"] != ""
	var at int64
	for at < hdr.Size {
		n, err := io.ReadFull(body, u.buf[:min(int64(len(u.buf)), hdr.Size-at)])
		if err != nil {
			return fmt.Errorf("its content ends at byte %d of %d: %w", at+int64(n), hdr.Size, u.notWhole(err))
		}
		if !sparse || !zeros(u.buf[:n]) {
			if err := writeAll(fd, u.buf[:n], at); err != nil {
				return err
			}
		}
		at += int64(n)
	}
	if sparse {
		return unix.Ftruncate(fd, hdr.Size)
	}
	return nil
}

// copyBuffer returns b, or a larger one when a file of that size asks for it:
// most archives hold a few small files, and are not worth 256 KiB.
func copyBuffer(b []byte, size int64) []byte {
	const least, most = 4 << 10, 256 << 10
	if want := min(max(size, least), most); int64(len(b)) < want {
		return make([]byte, want)
	}
	return b
}

func zeros(b []byte) bool {
	for len(b) >= 8 {
		if *(*uint64)(unsafe.Pointer(&b[0])) != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

func writeAll(fd int, b []byte, at int64) error {
	for len(b) > 0 {
		n, err := unix.Pwrite(fd, b, at)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		b, at = b[n:], at+int64(n)
	}
	return nil
}

// ownDir gives a directory that had to be made, and that no entry described, to
// the root inside. It counts as an entry: a name can hold half a million.
func (u *unpacker) ownDir(fd int) error {
	if err := u.count(); err != nil {
		return err
	}
	return u.attributes(fd, &tar.Header{}, 0o755)
}
