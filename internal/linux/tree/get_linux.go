package tree

import (
	"archive/tar"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Get streams what name, an absolute path inside the tree, is: a file, a link
// or a directory with all below it, as a tar whose names start with the last
// part of name ("." for the root itself). No link is followed, neither on the
// way nor below. FIFOs, sockets and devices are left out, setuid bits too. A
// file that changes while it is read keeps the size that it had.
//
// A name that isn't there is an error (ENOENT in its chain) at once; whatever
// fails later, a passed bound included, is an error of the reader. The caller
// closes the reader, which waits until rootFD is no longer used.
func Get(rootFD int, name string, o GetOptions) (io.ReadCloser, error) {
	names := parts(name)
	if slices.Contains(names, "..") || strings.ContainsRune(name, 0) {
		return nil, &EntryError{name, refused("a path is named without \"..\" and NUL")}
	}
	base := "."
	if len(names) > 0 {
		base = names[len(names)-1]
		names = names[:len(names)-1]
	}
	dir, err := openNoLinks(rootFD, names)
	if err != nil {
		return nil, &EntryError{name, linkInTheWay(err)}
	}
	var st unix.Stat_t
	if err = unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW); err == nil {
		err = readable(dir, base, &st)
	}
	if err != nil {
		unix.Close(dir)
		return nil, &EntryError{name, err}
	}
	pr, pw := io.Pipe()
	g := &getter{ids: o.IDs, entries: o.MaxEntries, bytes: o.MaxBytes, w: walker{fd: -1}}
	if g.entries <= 0 {
		g.entries = math.MaxInt
	}
	if g.bytes <= 0 {
		g.bytes = math.MaxInt64
	}
	g.tar = tar.NewWriter(pw)
	s := &stream{PipeReader: pr, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		err := g.run(dir, base)
		unix.Close(dir)
		pw.CloseWithError(err)
	}()
	return s, nil
}

// readable refuses at once what a stream would only leave out.
func readable(dir int, name string, st *unix.Stat_t) error {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFDIR:
		fd, err := openAt(dir, name, unix.O_PATH, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return kernelInterface(fd)
	case unix.S_IFLNK:
		return nil
	}
	return refused("it is no file, link or directory")
}

// stream is the reader's end of a Get.
type stream struct {
	*io.PipeReader
	done chan struct{}
}

func (s *stream) Close() error {
	err := s.PipeReader.Close()
	<-s.done
	return err
}

// getter is the state of one tree being read.
type getter struct {
	ids     IDs
	entries int
	bytes   int64
	tar     *tar.Writer
	w       walker
	prefix  []byte // the name of the directory that the walk is in, with a "/"
	dev     uint64
	buf     []byte
}

func (g *getter) run(dir int, base string) error {
	defer g.w.close()
	if err := g.one(dir, base); err != nil {
		return err
	}
	for len(g.w.stack) > 0 {
		name, ok := g.w.next()
		if !ok {
			g.prefix = g.prefix[:len(g.prefix)-len(g.w.top().name)-1]
			if err := g.w.leave(); err != nil {
				return &EntryError{string(g.prefix), err}
			}
			continue
		}
		if err := g.one(g.w.fd, name); err != nil {
			return err
		}
	}
	return g.tar.Close()
}

// one writes the entry of a name in an open directory, and enters it when it is
// a directory. What went away meanwhile was never there.
func (g *getter) one(dir int, name string) error {
	var st unix.Stat_t
	err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil {
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			err = g.file(dir, name)
		case unix.S_IFDIR:
			err = g.directory(dir, name)
		case unix.S_IFLNK:
			err = g.link(dir, name, &st)
		}
	}
	if err == nil || err == unix.ENOENT || err == unix.ELOOP || err == unix.ENOTDIR {
		return nil
	}
	return &EntryError{string(g.prefix) + name, err}
}

func (g *getter) file(dir int, name string) error {
	// Not blocking, in case that a FIFO has taken the file's place.
	fd, err := openAt(dir, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || g.elsewhere(fd, &st) {
		return nil
	}
	if err := g.header(name, tar.TypeReg, "", &st); err != nil {
		return err
	}
	return g.content(fd, st.Size)
}

// content writes exactly size bytes: what a file lost meanwhile is zeros, what
// it won is left out.
func (g *getter) content(fd int, size int64) error {
	g.buf = copyBuffer(g.buf, size)
	short := false
	for at := int64(0); at < size; {
		b := g.buf[:min(int64(len(g.buf)), size-at)]
		if short {
			clear(b)
		} else {
			n, err := unix.Pread(fd, b, at)
			if err == unix.EINTR {
				continue
			}
			if err != nil {
				return err
			}
			if n == 0 {
				short = true
				continue
			}
			b = b[:n]
		}
		if _, err := g.tar.Write(b); err != nil {
			return err
		}
		at += int64(len(b))
	}
	return nil
}

func (g *getter) directory(dir int, name string) error {
	fd, err := openAt(dir, name, openDir, 0)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err != nil || g.elsewhere(fd, &st) {
		unix.Close(fd)
		return err
	}
	if err := g.header(name+"/", tar.TypeDir, "", &st); err != nil {
		unix.Close(fd)
		return err
	}
	g.prefix = append(append(g.prefix, name...), '/')
	return g.w.enter(fd, name, g.entries)
}

// elsewhere reports whether an open file is on a file system that is the
// kernel's interface; it asks only where the file system changes.
func (g *getter) elsewhere(fd int, st *unix.Stat_t) bool {
	if st.Dev == g.dev {
		return false
	}
	if kernelInterface(fd) != nil {
		return true
	}
	g.dev = st.Dev
	return false
}

func (g *getter) link(dir int, name string, st *unix.Stat_t) error {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dir, name, buf)
	if err == unix.EINVAL {
		return nil // no link any more
	}
	if err != nil {
		return err
	}
	return g.header(name, tar.TypeSymlink, string(buf[:n]), st)
}

// header writes an entry's header after taking it from the bounds, its own size
// included: names in a deep tree outweigh the files.
func (g *getter) header(name string, kind byte, link string, st *unix.Stat_t) error {
	hdr := tar.Header{
		Typeflag: kind, Name: string(g.prefix) + name, Linkname: link,
		Mode:    int64(st.Mode & 0o1777),
		ModTime: time.Unix(st.Mtim.Unix()).Truncate(time.Second),
	}
	if g.ids.Inside != nil {
		hdr.Uid, hdr.Gid = g.ids.Inside(int(st.Uid), int(st.Gid))
	}
	if kind == tar.TypeReg {
		hdr.Size = st.Size
	}
	cost := hdr.Size + int64(len(hdr.Name)) + int64(len(link)) + 512
	if cost > g.bytes {
		return fmt.Errorf("%w: the archive passes its bound of bytes here (a file of %d)", ErrTooMuch, hdr.Size)
	}
	g.bytes -= cost
	if g.entries--; g.entries < 0 {
		return fmt.Errorf("%w: the archive passes its bound of entries here", ErrTooMuch)
	}
	return g.tar.WriteHeader(&hdr)
}
