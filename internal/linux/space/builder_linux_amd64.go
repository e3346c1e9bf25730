package space

import (
	"fmt"

	"golang.org/x/sys/unix"

	"cupel.dev/cupel/internal/linux/spawn"
)

// builder writes the program that makes a Space.
type builder struct {
	cfg    *Config
	space  *Space
	prog   spawn.Program
	mapped *spawn.Word
	trees  [][]*uintptr // descriptors of the layers
	lo     uintptr
}

func (b *builder) closeTemporary() {
	for _, layers := range b.trees {
		for _, fd := range layers {
			if fd != nil {
				closeFD(fd)
			}
		}
	}
	closeFD(&b.lo)
}

// build lists the steps. Up to the id switch the child still is this
// process's user for the host's files; after it, root of the namespace.
func (b *builder) build() error {
	b.lo = closedFD
	b.mapped = new(spawn.Word)
	b.privateMounts()
	if err := b.openTrees(); err != nil {
		return err
	}
	b.prog.WaitOp("wait for the id maps", b.mapped)
	b.stage()
	b.becomeRoot()
	b.mountTrees()
	b.bindDevices()
	b.terminals()
	b.bindPrivate()
	b.loopback()
	b.openNamespaces()
	b.enterRoot()
	b.prog.Call("end", unix.SYS_EXIT_GROUP, 0)
	return nil
}

func (b *builder) call(name string, nr uintptr, args ...uintptr) *spawn.Op {
	return b.prog.Call(name, nr, args...)
}

func (b *builder) mount(name, source, target, fstype string, flags uintptr, data string) {
	var d uintptr
	if data != "" {
		d = b.prog.Str(data)
	}
	b.call(name, unix.SYS_MOUNT, b.prog.Str(source), b.prog.Str(target), b.prog.Str(fstype), flags, d)
}

func (b *builder) privateMounts() {
	b.mount("make mounts private", "none", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
}

const atFDCWD = ^uintptr(99) // -100

// stage mounts the private tmpfs and makes it the working directory: what
// follows is relative to it, so no host directory needs to be walked again.
func (b *builder) stage() {
	const pageSize = 4096
	size := (b.cfg.DiskBytes + pageSize - 1) &^ (pageSize - 1)
	options := fmt.Sprintf("size=%d,nr_inodes=%d,mode=0711,uid=0,gid=0", size, b.cfg.Inodes+b.stageInodes())
	b.mount("mount the private tmpfs", "tmpfs", b.cfg.Stage, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options)
	b.call("enter the private tmpfs", unix.SYS_CHDIR, b.prog.Str(b.cfg.Stage))
}

func (b *builder) becomeRoot() {
	if !b.cfg.IDs.Single() {
		b.call("drop groups", unix.SYS_SETGROUPS, 0, 0)
	}
	b.call("become root's group inside", unix.SYS_SETRESGID, 0, 0, 0)
	b.call("become root inside", unix.SYS_SETRESUID, 0, 0, 0)
	b.call("set the umask", unix.SYS_UMASK, 0)
}

func (b *builder) mkdir(name string, mode uint32) {
	b.call("make "+name, unix.SYS_MKDIRAT, atFDCWD, b.prog.Str(name), uintptr(mode))
}

// stageInodes is how many inodes of the tmpfs the set-up itself takes.
func (b *builder) stageInodes() int {
	n := 3 + len(b.cfg.Private) // its root, the new root, the empty one, the private ones
	for _, t := range b.cfg.Trees {
		if t.Overlay {
			n += len(t.Layers)
			if t.Writable {
				n += 4 // upper, work, and overlayfs's own in work
			}
		}
	}
	return n
}

const (
	newRoot  = "root"
	emptyDir = "empty"
)

// ifreq is struct ifreq with ifr_flags.
type ifreq struct {
	name  [16]byte
	flags uint16
	_     [22]byte
}

func (b *builder) loopback() {
	if b.cfg.HostNetwork {
		return
	}
	req := &ifreq{flags: unix.IFF_UP | unix.IFF_RUNNING}
	copy(req.name[:], "lo")
	b.prog.Keep(req)
	b.call("open a socket", unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0).Store(&b.lo)
	b.call("bring loopback up", unix.SYS_IOCTL, 0, unix.SIOCSIFFLAGS, spawn.Ptr(req)).First(&b.lo)
}

func (b *builder) openNamespaces() {
	name := b.cfg.Hostname
	if name == "" {
		name = "cupel"
	}
	b.call("set the hostname", unix.SYS_SETHOSTNAME, b.prog.Str(name), uintptr(len(name)))
	for i, n := range namespaces {
		if n.name == "net" && b.cfg.HostNetwork {
			continue
		}
		b.call("open the "+n.name+" namespace", unix.SYS_OPENAT, atFDCWD,
			b.prog.Str("/proc/self/ns/"+n.name), unix.O_RDONLY|unix.O_CLOEXEC).Store(&b.space.ns[i])
	}
}

// enterRoot makes the new root the root and lets go of everything else.
func (b *builder) enterRoot() {
	b.call("enter the new root", unix.SYS_CHDIR, b.prog.Str(newRoot))
	b.call("pivot to the new root", unix.SYS_PIVOT_ROOT, b.prog.Str("."), b.prog.Str("."))
	b.call("let go of the old root", unix.SYS_UMOUNT2, b.prog.Str("."), unix.MNT_DETACH)
	b.call("enter /", unix.SYS_CHDIR, b.prog.Str("/"))
	b.call("open /", unix.SYS_OPENAT, atFDCWD, b.prog.Str("/"),
		unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC).Store(&b.space.root)
}
