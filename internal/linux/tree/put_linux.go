package tree

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Put unpacks the tar stream r below dir, an absolute path inside the tree that
// is made if missing. Links on the way to dir are followed inside the tree;
// below dir no link is, and one in the way is an error. Existing files and links
// are replaced, existing directories kept with their owner and mode.
//
// Absolute names, names with "..", devices, FIFOs, and hard links to what the
// archive did not bring itself are refused (ErrRefused) before anything later
// in the stream is written. Errors of the kernel, such as ENOSPC, are in the
// chain as themselves; what was written by then stays.
func Put(rootFD int, dir string, r io.Reader, o PutOptions) error {
	u := newUnpacker(noLinks, o.IDs, o.MaxEntries, o.MaxBytes)
	u.upload = true
	u.modeMask = 0o1777
	if o.KeepSetID {
		u.modeMask = 0o7777
	}
	names := parts(dir)
	if slices.Contains(names, "..") {
		return &EntryError{Name: dir, Err: refused("a directory is named without \"..\"")}
	}
	fd, err := makeDirs(rootFD, names, inRoot, u.ownDir)
	if err != nil {
		return &EntryError{Name: dir, Err: linkInTheWay(err)}
	}
	defer unix.Close(fd)
	u.root = fd
	_, err = u.run(r)
	return err
}

// Unpack unpacks the image archive r into the directory rootFD, which nobody
// else changes meanwhile. A leading slash is dropped from names; links that the
// archive made are followed, as if the directory were the root. A later entry
// replaces an earlier one of the same name, whatever they are. Modes are kept
// to the last bit, times of files too; of extended attributes only user.*.
// Device nodes are left out and counted. Names with ".." are refused.
func Unpack(rootFD int, r io.Reader, o UnpackOptions) (Stats, error) {
	u := newUnpacker(inRoot, o.IDs, o.MaxEntries, o.MaxBytes)
	u.modeMask = 0o7777
	u.root = rootFD
	return u.run(r)
}

// unpacker is the state of one archive being unpacked.
type unpacker struct {
	root     int
	resolve  uint64 // how the parents of entries are found
	upload   bool   // the rules of Put, else of Unpack
	ids      IDs
	modeMask uint32
	entries  int
	bytes    int64
	stats    Stats

	// parent is the directory of the last entry, kept open: archives go
	// directory by directory.
	parent     int
	parentName string

	brought map[string]bool // files that an upload brought, for its hard links
	dirs    []finalDir
	buf     []byte
}

// finalDir is what a directory gets at the end: until then it must stay
// writable, and its time would change.
type finalDir struct {
	name string
	mode uint32
	hdr  *tar.Header
}

func newUnpacker(resolve uint64, ids IDs, maxEntries int, maxBytes int64) *unpacker {
	u := &unpacker{resolve: resolve, ids: ids, entries: maxEntries, bytes: maxBytes, parent: -1}
	if u.entries <= 0 {
		u.entries = math.MaxInt
	}
	if u.bytes <= 0 {
		u.bytes = math.MaxInt64
	}
	return u
}

// run reads the archive to its end mark.
func (u *unpacker) run(r io.Reader) (Stats, error) {
	defer func() { u.leaveParent() }()
	mark := &endMark{r: u.bounded(r)}
	tr := tar.NewReader(mark)
	for {
		hdr, err := tr.Next()
		if err == io.EOF {
			if mark.missing() && u.stats.Entries > 0 {
				return u.stats, u.notWhole(errors.New("its end mark is missing"))
			}
			return u.stats, u.finishDirs()
		}
		if err != nil {
			return u.stats, u.notWhole(err)
		}
		err = u.count()
		if err == nil {
			err = u.entry(hdr, tr)
		}
		if err != nil {
			return u.stats, &EntryError{hdr.Name, err}
		}
	}
}

// notWhole says where an archive breaks off, or that its reader failed: what
// the tar reader did not make up came from below, and is not the archive's fault.
func (u *unpacker) notWhole(err error) error {
	if e, ok := errors.AsType[*readError](err); ok {
		return fmt.Errorf("after entry %d: %w", u.stats.Entries, e.err)
	}
	return fmt.Errorf("after entry %d: %w: not a whole tar: %w", u.stats.Entries, ErrRefused, notEOF(err))
}

// readError marks an error of the stream that an archive is read from.
type readError struct{ err error }

func (e *readError) Error() string { return e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

func (u *unpacker) count() error {
	if u.stats.Entries++; u.stats.Entries > u.entries {
		return fmt.Errorf("%w: over %d entries", ErrTooMuch, u.entries)
	}
	return nil
}

// notEOF keeps a truncated archive from looking like the end of one.
func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// entry makes one entry.
func (u *unpacker) entry(hdr *tar.Header, body io.Reader) error {
	if hdr.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	names, err := u.checkName(hdr.Name)
	if err != nil {
		return err
	}
	if err := u.checkType(hdr); err != nil {
		return err
	}
	if len(names) == 0 {
		if hdr.Typeflag != tar.TypeDir {
			return refused("only a directory can be the root")
		}
		if !u.upload {
			u.dirs = append(u.dirs, finalDir{name: ".", mode: u.mode(hdr), hdr: hdr})
		}
		return nil
	}
	dir, err := u.enterParent(names[:len(names)-1])
	if err != nil {
		return linkInTheWay(err)
	}
	return u.make(dir, names, hdr, body)
}

// checkName splits a name into what is below the root.
func (u *unpacker) checkName(name string) ([]string, error) {
	if strings.ContainsRune(name, 0) {
		return nil, refused("a NUL in the name")
	}
	if u.upload && strings.HasPrefix(name, "/") {
		return nil, refused("an absolute name")
	}
	names := parts(name)
	if slices.Contains(names, "..") {
		return nil, refused("\"..\" in the name")
	}
	return names, nil
}

func (u *unpacker) checkType(hdr *tar.Header) error {
	switch hdr.Typeflag {
	case tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeLink, tar.TypeGNUSparse, tar.TypeCont:
		return nil
	case tar.TypeFifo:
		if !u.upload {
			return nil
		}
		return refused("a FIFO")
	case tar.TypeChar, tar.TypeBlock:
		if !u.upload {
			return nil
		}
		return refused("a device node")
	}
	return refused("a kind of entry that is not known (%q)", hdr.Typeflag)
}

// enterParent opens the directory that names lead to, making what is missing.
func (u *unpacker) enterParent(names []string) (int, error) {
	name := path.Join(names...)
	if u.parent >= 0 && u.parentName == name {
		return u.parent, nil
	}
	u.leaveParent()
	fd, err := makeDirs(u.root, names, u.resolve, u.ownDir)
	if err != nil {
		return -1, err
	}
	if err := kernelInterface(fd); err != nil {
		unix.Close(fd)
		return -1, err
	}
	u.parent, u.parentName = fd, name
	return fd, nil
}

func (u *unpacker) leaveParent() {
	if u.parent >= 0 {
		unix.Close(u.parent)
		u.parent = -1
	}
}

// linkInTheWay says what ELOOP and ENOTDIR mean here.
func linkInTheWay(err error) error {
	switch {
	case errors.Is(err, unix.ELOOP):
		return refused("a link is in the way")
	case errors.Is(err, unix.EXDEV):
		return refused("it leads out of the tree")
	case errors.Is(err, unix.ENOTDIR):
		return fmt.Errorf("%w: what is in the way is no directory: %w", ErrRefused, err)
	}
	return err
}
