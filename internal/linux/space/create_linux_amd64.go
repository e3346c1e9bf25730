package space

import (
	"fmt"
	"os"
	"runtime"
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
