package tree

import (
	"archive/tar"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// finishDirs gives the directories their owners, modes and times, those below
// before those above: a closed directory hides what is in it from a caller who
// is not root. One that is no longer there was replaced.
func (u *unpacker) finishDirs() error {
	u.leaveParent()
	slices.Reverse(u.dirs) // the last entry of a name is the one that counts
	slices.SortStableFunc(u.dirs, func(a, b finalDir) int { return strings.Compare(b.name, a.name) })
	for i, d := range u.dirs {
		if i > 0 && u.dirs[i-1].name == d.name {
			continue
		}
		fd, err := u.openMade(d.name)
		if err == nil {
			err = u.attributes(fd, d.hdr, d.mode)
			unix.Close(fd)
		}
		if err != nil && err != unix.ENOENT && err != unix.ENOTDIR && err != unix.ELOOP {
			return &EntryError{d.hdr.Name, err}
		}
	}
	return nil
}

// openMade opens a directory that was made, but not one that a link has since
// taken the place of.
func (u *unpacker) openMade(name string) (int, error) {
	if u.resolve == noLinks {
		return openNoLinks(u.root, parts(name))
	}
	return open(u.root, name, openDir|unix.O_NOFOLLOW, u.resolve)
}

// openDir opens a directory that must be there.
func (u *unpacker) openDir(names []string) (int, error) {
	if u.resolve == noLinks || len(names) == 0 {
		return openNoLinks(u.root, names)
	}
	return open(u.root, path.Join(names...), openDir, u.resolve)
}

func (u *unpacker) mode(hdr *tar.Header) uint32 { return uint32(hdr.Mode) & u.modeMask }

// attributes come in this order because a change of owner drops the setuid bit.
func (u *unpacker) attributes(fd int, hdr *tar.Header, mode uint32) error {
	if uid, gid, ok := u.owner(hdr); ok {
		if err := unix.Fchown(fd, uid, gid); err != nil {
			return fmt.Errorf("give it to %d:%d: %w", uid, gid, err)
		}
	}
	if err := u.xattrs(fd, hdr); err != nil {
		return err
	}
	if err := unix.Fchmod(fd, mode); err != nil {
		return err
	}
	return setTime(fd, hdr.ModTime)
}

func (u *unpacker) chownAt(dir int, name string, hdr *tar.Header) error {
	uid, gid, ok := u.owner(hdr)
	if !ok {
		return nil
	}
	return unix.Fchownat(dir, name, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
}

// owner returns the host's ids for an entry; ok is false where all files are
// the caller's.
func (u *unpacker) owner(hdr *tar.Header) (uid, gid int, ok bool) {
	if u.ids.UID == nil || u.ids.GID == nil {
		return 0, 0, false
	}
	uid, uok := u.ids.UID(hdr.Uid)
	gid, gok := u.ids.GID(hdr.Gid)
	if !uok || !gok {
		u.stats.IDs++
	}
	if !uok {
		uid, _ = u.ids.UID(0)
	}
	if !gok {
		gid, _ = u.ids.GID(0)
	}
	return uid, gid, true
}

// xattrs sets what an image may bring. security.capability would be a power
// that no sandbox grants, trusted.* and system.* speak to the host's kernel.
func (u *unpacker) xattrs(fd int, hdr *tar.Header) error {
	if u.upload {
		return nil
	}
	for key, value := range hdr.PAXRecords {
		name, ok := strings.CutPrefix(key, "SCHILY.xattr.")
		if !ok {
			continue
		}
		if !strings.HasPrefix(name, "user.") {
			u.stats.Xattrs++
			continue
		}
		err := unix.Fsetxattr(fd, name, []byte(value), 0)
		if err == unix.ENOTSUP {
			u.stats.Xattrs++
		} else if err != nil {
			return fmt.Errorf("set %s: %w", quote(name), err)
		}
	}
	return nil
}

// setTime sets the time of change of an open file. utimensat without a path
// works on the descriptor itself; x/sys has no call for that.
func setTime(fd int, t time.Time) error {
	if t.IsZero() {
		return nil
	}
	ts := unix.NsecToTimespec(t.UnixNano())
	if t.Year() < 1900 || t.Year() > 2200 {
		ts = unix.Timespec{} // outside of what nanoseconds in 64 bits can say
	}
	times := [2]unix.Timespec{ts, ts}
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
