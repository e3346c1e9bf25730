package space

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"cupel.dev/cupel/internal/linux/spawn"
)

// openTrees clones every layer as a detached mount, while the child can still
// walk to it as the user it was started as. Only this process itself can map
// ids, so it clones those layers now; the child shares its descriptors.
func (b *builder) openTrees() error {
	for _, t := range b.cfg.Trees {
		fds := make([]*uintptr, len(t.Layers))
		b.trees = append(b.trees, fds)
		for i, layer := range t.Layers {
			fds[i] = newFD()
			if layer == t.IDMapped {
				var err error
				if *fds[i], err = b.openIDMapped(layer); err != nil {
					return err
				}
				continue
			}
			flags := uintptr(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
			if !t.Overlay {
				flags |= unix.AT_RECURSIVE
			}
			b.call("open "+layer, unix.SYS_OPEN_TREE, atFDCWD, b.prog.Str(layer), flags).Store(fds[i])
		}
	}
	// The kernel lets a user namespace mount a new /proc only where one can be
	// seen already, so this process's own stays below the one of each run.
	fd := newFD()
	b.call("open /proc", unix.SYS_OPEN_TREE, atFDCWD, b.prog.Str("/proc"),
		unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE).Store(fd)
	b.trees = append(b.trees, []*uintptr{fd})
	return nil
}

func newFD() *uintptr {
	fd := new(uintptr)
	*fd = closedFD
	return fd
}

func (b *builder) mountTrees() {
	b.mkdir(newRoot, 0o755)
	b.mkdir(emptyDir, 0o755)
	for i, t := range b.cfg.Trees {
		if t.Overlay {
			b.mountOverlay(i, t)
		} else {
			b.attach("attach "+t.Target, b.trees[i][0], newRoot+t.Target)
			b.setFlags(t)
		}
	}
	b.attach("attach /proc", b.trees[len(b.cfg.Trees)][0], newRoot+"/proc")
	b.setFlags(Tree{Target: "/proc"})
}

// attach moves a detached mount, whose descriptor an earlier call stored, to
// target.
func (b *builder) attach(name string, fd *uintptr, target string) {
	b.call(name, unix.SYS_MOVE_MOUNT, 0, b.prog.Str(""), atFDCWD, b.prog.Str(target),
		unix.MOVE_MOUNT_F_EMPTY_PATH).First(fd)
}

type mountAttr struct {
	set uint64
	_   [3]uint64 // what to clear, propagation, user namespace
}

func (b *builder) setFlags(t Tree) {
	attr := &mountAttr{set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}
	if !t.Writable {
		attr.set |= unix.MOUNT_ATTR_RDONLY
	}
	b.prog.Keep(attr)
	b.call("protect "+t.Target, unix.SYS_MOUNT_SETATTR, atFDCWD, b.prog.Str(newRoot+t.Target),
		unix.AT_RECURSIVE, spawn.Ptr(attr), 32)
}

func (b *builder) mountOverlay(i int, t Tree) {
	var lowers []string
	for j, fd := range b.trees[i] {
		name := fmt.Sprintf("l%d.%d", i, j)
		b.mkdir(name, 0o755)
		b.attach("attach "+t.Layers[j], fd, name)
		lowers = append(lowers, name)
	}
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV)
	options := "userxattr,lowerdir=" + strings.Join(lowers, ":")
	if t.Writable {
		up, work := fmt.Sprintf("u%d", i), fmt.Sprintf("w%d", i)
		b.mkdir(up, 0o755)
		b.mkdir(work, 0o755)
		options += ",upperdir=" + up + ",workdir=" + work
	} else {
		// Without an upper layer overlayfs wants two lower ones.
		options += ":" + emptyDir
		flags |= unix.MS_RDONLY
	}
	b.mount("mount overlay on "+t.Target, "overlay", newRoot+t.Target, "overlay", flags, options)
}

func (b *builder) bindDevices() {
	for _, dev := range b.cfg.Devices {
		b.mount("show "+dev, dev, newRoot+dev, "", unix.MS_BIND, "")
	}
}

// terminals mounts a devpts of its own, for programs that open one.
func (b *builder) terminals() {
	if b.cfg.Terminals {
		b.mount("mount /dev/pts", "devpts", newRoot+"/dev/pts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC,
			"newinstance,ptmxmode=0666,mode=620")
	}
}

func (b *builder) bindPrivate() {
	for _, p := range b.cfg.Private {
		b.mkdir(p.Name, p.Mode)
		if p.UID != 0 || p.GID != 0 {
			b.call("give "+p.Target+" away", unix.SYS_FCHOWNAT, atFDCWD, b.prog.Str(p.Name),
				uintptr(p.UID), uintptr(p.GID), 0)
		}
		b.mount("mount "+p.Target, p.Name, newRoot+p.Target, "", unix.MS_BIND, "")
	}
	b.call("open the private tmpfs", unix.SYS_OPENAT, atFDCWD, b.prog.Str("."),
		unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC).Store(&b.space.data)
}
