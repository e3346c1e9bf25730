package space

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"cupel.dev/cupel/internal/linux/spawn"
)

// namespaces are joined by every program, in this order: the user namespace
// first, for it gives the right to join the others.
var namespaces = []struct {
	name string
	flag uint64
}{
	{"user", unix.CLONE_NEWUSER},
	{"ipc", unix.CLONE_NEWIPC},
	{"uts", unix.CLONE_NEWUTS},
	{"cgroup", unix.CLONE_NEWCGROUP},
	{"net", unix.CLONE_NEWNET},
	{"mnt", unix.CLONE_NEWNS},
}

// Space is a set of namespaces. It is safe for concurrent use until Close.
type Space struct {
	cfg  Config
	ns   []uintptr // descriptors, as namespaces; closedFD for one not made
	root uintptr   // O_PATH of the root directory inside
	data uintptr   // O_PATH of the private tmpfs
}

const closedFD = ^uintptr(0)

// Create makes a Space. On error nothing of it is left.
func Create(cfg Config) (*Space, error) {
	s := &Space{cfg: cfg, root: closedFD, data: closedFD, ns: make([]uintptr, len(namespaces))}
	for i := range s.ns {
		s.ns[i] = closedFD
	}
	b := &builder{cfg: &s.cfg, space: s}
	if err := b.build(); err != nil {
		b.closeTemporary()
		return nil, err
	}
	flags := uint64(unix.CLONE_FILES)
	for _, n := range namespaces {
		if n.flag != unix.CLONE_NEWNET || !cfg.HostNetwork {
			flags |= n.flag
		}
	}
	err := b.run(flags)
	if err == nil {
		err = s.whole()
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// whole checks that every namespace is there, for Start to join: a missing one
// would leave programs in this process's.
func (s *Space) whole() error {
	for i, n := range namespaces {
		if s.ns[i] == closedFD && !(n.flag == unix.CLONE_NEWNET && s.cfg.HostNetwork) {
			return fmt.Errorf("the %s namespace was not opened", n.name)
		}
	}
	return nil
}

// run starts the child, writes its id maps while it opens the trees, and
// waits for its end.
func (b *builder) run(flags uint64) error {
	// The child is killed when the thread that made it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pid, err := b.prog.Start(flags)
	if err != nil {
		return &StepError{"clone into new namespaces", err.(syscall.Errno)}
	}
	mapErr := writeMaps(pid, b.cfg.IDs)
	spawn.Release(b.mapped)
	_, _, waitErr := spawn.Wait(pid)
	b.closeTemporary()
	// The child's own failure comes first: of one that is gone, the maps can't
	// be written either.
	if err := failure(&b.prog); err != nil {
		return err
	}
	if mapErr != nil {
		return mapErr
	}
	if waitErr != nil {
		return fmt.Errorf("wait for the set-up: %w", waitErr)
	}
	return nil
}

func failure(p *spawn.Program) error {
	if f := p.Failure(); f != nil {
		return &StepError{f.Name, syscall.Errno(f.Errno)}
	}
	return nil
}

func writeMaps(pid int, ids IDs) error {
	proc := fmt.Sprintf("/proc/%d/", pid)
	if ids.Single() {
		if err := os.WriteFile(proc+"setgroups", []byte("deny"), 0); err != nil {
			return fmt.Errorf("deny setgroups: %w", err)
		}
	}
	for _, m := range []struct {
		file string
		base int
	}{{"uid_map", ids.UIDBase}, {"gid_map", ids.GIDBase}} {
		if err := os.WriteFile(proc+m.file, fmt.Appendf(nil, "0 %d %d\n", m.base, ids.Count), 0); err != nil {
			return fmt.Errorf("write %s: %w", m.file, err)
		}
	}
	return nil
}

// Root is an O_PATH descriptor of the root directory inside, for openat2 with
// RESOLVE_IN_ROOT. It stays the Space's.
func (s *Space) Root() int { return int(s.root) }

// Namespaces returns the identity of each namespace, by name.
func (s *Space) Namespaces() map[string]uint64 {
	ids := make(map[string]uint64, len(namespaces))
	for i, n := range namespaces {
		var st unix.Stat_t
		if s.ns[i] != closedFD && unix.Fstat(int(s.ns[i]), &st) == nil {
			ids[n.name] = st.Ino
		}
	}
	return ids
}

// Disk reports how much of the private tmpfs is in use and free.
func (s *Space) Disk() (d Disk, err error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(s.data), &st); err != nil {
		return d, fmt.Errorf("measure the private files: %w", err)
	}
	d.UsedBytes = int64(st.Blocks-st.Bfree) * st.Bsize
	d.FreeBytes = int64(st.Bfree) * st.Bsize
	d.UsedInodes = int64(st.Files - st.Ffree)
	d.FreeInodes = int64(st.Ffree)
	return d, nil
}

// Disk is the state of the private tmpfs.
type Disk struct {
	UsedBytes, FreeBytes   int64
	UsedInodes, FreeInodes int64
}

// Close gives the namespaces up; the kernel removes what is in them. Programs
// started in them must have been ended.
func (s *Space) Close() {
	for _, p := range append([]*uintptr{&s.root, &s.data}, refs(s.ns)...) {
		closeFD(p)
	}
}

func refs(list []uintptr) []*uintptr {
	out := make([]*uintptr, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	return out
}

// closeFD closes what a child's tolerated or missing call left in *p.
func closeFD(p *uintptr) {
	if fd := int(*p); fd >= 0 {
		_ = unix.Close(fd)
	}
	*p = closedFD
}

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
