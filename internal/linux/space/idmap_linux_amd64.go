package space

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"cupel.dev/cupel/internal/linux/spawn"
)

// ErrIDMap is in the chain of Create's error when the ids of an IDMapped tree
// can't be mapped: not by a root of the initial user namespace, or a file
// system that doesn't know how.
var ErrIDMap = errors.New("ids of a file system can't be mapped here")

// NewIDMap makes a user namespace that stands for ids, for Config.IDMap.
func NewIDMap(ids IDs) (fd int, err error) {
	var p spawn.Program
	ns := newFD()
	mapped := new(spawn.Word)
	p.WaitOp("wait for the id maps", mapped)
	p.Call("open the user namespace", unix.SYS_OPENAT, atFDCWD, p.Str("/proc/self/ns/user"),
		unix.O_RDONLY|unix.O_CLOEXEC).Store(ns)
	p.Call("end", unix.SYS_EXIT_GROUP, 0)
	p.Keep(ns)
	runtime.LockOSThread() // see builder.run
	defer runtime.UnlockOSThread()
	pid, err := p.Start(unix.CLONE_NEWUSER | unix.CLONE_FILES)
	if err != nil {
		return -1, &StepError{"clone into a new user namespace", err.(syscall.Errno)}
	}
	mapErr := writeMaps(pid, ids)
	spawn.Release(mapped)
	_, _, err = spawn.Wait(pid)
	if err = errors.Join(failure(&p), mapErr, err); err != nil {
		closeFD(ns)
		return -1, err
	}
	return int(*ns), nil
}

// openIDMapped clones a layer as a detached mount on which files show as if
// their owners were those inside: on disk 0 is 0 inside.
func (b *builder) openIDMapped(layer string) (uintptr, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, layer, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return closedFD, fmt.Errorf("%w: open %s: %w", ErrIDMap, layer, err)
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(b.cfg.IDMap)}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attr); err != nil {
		unix.Close(fd)
		return closedFD, fmt.Errorf("%w: %s: %w", ErrIDMap, layer, err)
	}
	return uintptr(fd), nil
}

// CloseIDMap closes what NewIDMap made.
func CloseIDMap(fd int) { _ = unix.Close(fd) }
