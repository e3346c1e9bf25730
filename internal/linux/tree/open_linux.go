package tree

import (
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// inRoot resolves as if the directory were the root: links work, and stay
// inside.
const inRoot = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS

// noLinks resolves names alone.
const noLinks = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

const openDir = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC

// open is openat2. EAGAIN means that something was renamed while a ".." was
// resolved; a program that does nothing else must not hold us for ever.
func open(dirFD int, name string, flags int, resolve uint64) (int, error) {
	const tries = 64
	how := unix.OpenHow{Flags: uint64(flags), Resolve: resolve}
	for i := 0; ; i++ {
		fd, err := unix.Openat2(dirFD, name, &how)
		if (err == unix.EAGAIN || err == unix.EINTR) && i < tries {
			continue
		}
		return fd, err
	}
}

// openAt opens a name in a directory, not following a link.
func openAt(dirFD int, name string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Openat(dirFD, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// parts splits a path into its names; "." and empty ones vanish.
func parts(name string) []string {
	return slices.DeleteFunc(strings.Split(name, "/"), func(s string) bool { return s == "" || s == "." })
}

// openNoLinks opens the directory that names lead to, however long that path
// is: piece by piece, each shorter than the kernel's limit of a path.
func openNoLinks(root int, names []string) (int, error) {
	const piece = 3000
	fd, err := unix.FcntlInt(uintptr(root), unix.F_DUPFD_CLOEXEC, 0)
	for err == nil && len(names) > 0 {
		n, length := 0, 0
		for n < len(names) && (n == 0 || length+len(names[n]) < piece) {
			length += len(names[n]) + 1
			n++
		}
		var next int
		next, err = open(fd, path.Join(names[:n]...), openDir, noLinks)
		unix.Close(fd)
		fd, names = next, names[n:]
	}
	return fd, err
}

// makeDirs opens the directory that names lead to and makes what is missing of
// it. made is given each directory made, open.
func makeDirs(root int, names []string, resolve uint64, made func(fd int) error) (int, error) {
	if resolve == noLinks {
		fd, err := openNoLinks(root, names)
		if err != unix.ENOENT {
			return fd, err
		}
		return makeRest(root, names, made)
	}
	// With links on the way only a path from the root means what it says, so
	// the part that is there is looked for from the far end.
	for have := len(names); have > 0; have-- {
		fd, err := open(root, path.Join(names[:have]...), openDir, resolve)
		if err == unix.ENOENT {
			continue
		}
		if err != nil || have == len(names) {
			return fd, err
		}
		defer unix.Close(fd)
		return makeRest(fd, names[have:], made)
	}
	return makeRest(root, names, made)
}

// makeRest opens names one below the other, following no link, and makes those
// that are missing.
func makeRest(root int, names []string, made func(fd int) error) (int, error) {
	fd, err := openAt(root, ".", openDir, 0)
	for _, name := range names {
		if err != nil {
			return -1, err
		}
		var next int
		if next, err = openAt(fd, name, openDir, 0); err == unix.ENOENT {
			next, err = makeDir(fd, name, made)
		}
		unix.Close(fd)
		fd = next
	}
	return fd, err
}

// makeDir makes a directory and opens it. Between the two a program may put a
// link in its place, which then is an error; the mode is set on what was opened.
func makeDir(dirFD int, name string, made func(fd int) error) (int, error) {
	if err := kernelInterface(dirFD); err != nil {
		return -1, err
	}
	err := unix.Mkdirat(dirFD, name, 0o755)
	if err != nil && err != unix.EEXIST {
		return -1, err
	}
	fd, operr := openAt(dirFD, name, openDir, 0)
	if operr != nil {
		return -1, operr
	}
	if err == nil {
		err = made(fd)
	} else {
		err = nil
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// kernelInterface refuses a descriptor on a file system whose files are not
// files: as root, writing a name there could be a command to the kernel.
func kernelInterface(fd int) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return err
	}
	switch int64(uint32(fs.Type)) {
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC,
		unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC, unix.BPF_FS_MAGIC,
		unix.DEVPTS_SUPER_MAGIC, unix.PSTOREFS_MAGIC, unix.BINFMTFS_MAGIC, unix.EFIVARFS_MAGIC, unix.NSFS_MAGIC:
		return refused("it is on a file system that is an interface of the kernel")
	}
	return nil
}

// dirNames reads the names in an open directory, sorted. most bounds them; one
// more than that is returned when there are more.
func dirNames(fd, most int) ([]string, error) {
	buf := make([]byte, 32<<10)
	var names []string
	for most <= 0 || len(names) <= most {
		n, err := unix.ReadDirent(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n == 0 {
			break
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
	slices.Sort(names)
	return names, nil
}

// Pristine counts what is directly inside a directory: 0 means that it is
// empty. dirFD may be an O_PATH descriptor.
func Pristine(dirFD int) (entries int, err error) {
	fd, err := openAt(dirFD, ".", openDir, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	names, err := dirNames(fd, 0)
	return len(names), err
}

// Sync writes the file system that dirFD is on to its disk, so that what is
// renamed into place afterwards is whole after a loss of power too.
func Sync(dirFD int) error {
	fd, err := openAt(dirFD, ".", openDir, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Syncfs(fd)
}
