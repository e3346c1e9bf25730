package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// base is a directory of ours in one hierarchy, in which leaves are made.
type base struct {
	version     int
	dir         string
	controllers []string
	// steppedFrom is the cgroup we moved out of, into a child, to make room;
	// "" if we didn't.
	steppedFrom string
}

// obstacle is why some controllers can't be used.
type obstacle struct {
	controllers []string
	version     int
	dir         string // the cgroup concerned, or ""
	err         error
}

// These causes are ours; any other comes from the kernel.
var (
	errNotHere   = errors.New("the kernel doesn't offer it here")
	errOccupied  = errors.New("other processes are in the way")
	errUnmounted = errors.New("its hierarchy is not mounted")
)

// placer makes bases.
type placer struct {
	prefix string
	me     owner
}

// place makes a base in h, or says what is in the way; with both, the
// controllers of the obstacle are the ones that the base lacks.
func (p placer) place(h hierarchy) (*base, *obstacle) {
	if h.version == 2 {
		return p.placeV2(h)
	}
	if _, err := os.Stat(h.own); err != nil {
		h.own = h.mount // the path is one that a container can't see
	}
	reap(1, h.own, p.prefix, p.me)
	b := &base{version: 1, dir: path.Join(h.own, p.me.directory(p.prefix)), controllers: h.controllers}
	if err := unix.Mkdir(b.dir, 0o755); err != nil {
		return nil, &obstacle{h.controllers, 1, h.own, err}
	}
	return b, nil
}

// placeV2 tries our own cgroup and then its ancestors, up to the top that is
// in sight, and settles for the first that gives all, else the most.
func (p placer) placeV2(h hierarchy) (*base, *obstacle) {
	own := h.own
	if _, err := os.Stat(own); err != nil {
		own = h.mount
	}
	if path.Base(own) == p.prefix+"-self" {
		own = path.Dir(own) // a parent of ours has stepped in here
	}
	var best *base
	var first *obstacle
	for dir := own; ; dir = path.Dir(dir) {
		b, err := p.tryV2(dir, h.controllers, dir == own, dir == h.mount)
		if err != nil && first == nil {
			first = &obstacle{h.controllers, 2, dir, err}
		}
		if b != nil && (best == nil || len(b.controllers) > len(best.controllers)) {
			best, b = b, best
		}
		b.drop()
		if dir == h.mount || best != nil && len(best.controllers) == len(h.controllers) {
			break
		}
	}
	if best == nil {
		return nil, first
	}
	lacks := slices.DeleteFunc(slices.Clone(h.controllers), func(c string) bool { return slices.Contains(best.controllers, c) })
	if len(lacks) == 0 {
		return best, nil
	}
	if first == nil {
		first = &obstacle{version: 2, dir: path.Dir(best.dir), err: errNotHere}
	}
	first.controllers = lacks
	return best, first
}

// tryV2 makes a base below dir with as many of the controllers as it can. The
// error says why it has not all of them.
func (p placer) tryV2(dir string, controllers []string, own, top bool) (*base, error) {
	offered, err := readWords(dir, "cgroup.controllers")
	if err != nil {
		return nil, err
	}
	reap(2, dir, p.prefix, p.me)
	b := &base{version: 2, dir: path.Join(dir, p.me.directory(p.prefix))}
	if err := unix.Mkdir(b.dir, 0o755); err != nil {
		return nil, err
	}
	// To move a process takes the right to write here as well.
	if err := unix.Faccessat(unix.AT_FDCWD, path.Join(dir, "cgroup.procs"), unix.W_OK, unix.AT_EACCESS); err != nil {
		b.drop()
		return nil, err
	}
	var why error
	for _, c := range controllers {
		err := errNotHere
		if slices.Contains(offered, c) {
			err = p.enable(b, c, own, top)
		}
		if err == nil {
			err = write(b.dir, "cgroup.subtree_control", "+"+c)
		}
		if err != nil {
			why = err
			continue
		}
		b.controllers = append(b.controllers, c)
	}
	if len(b.controllers) == 0 {
		b.drop()
		return nil, why
	}
	return b, why
}

// enable hands controller c from the parent of b down to b. The subtree of a
// cgroup is its manager's to change, so that is done only in our own and at
// the top.
func (p placer) enable(b *base, c string, own, top bool) error {
	dir := path.Dir(b.dir)
	if on, err := readWords(dir, "cgroup.subtree_control"); err != nil || slices.Contains(on, c) {
		return err
	}
	if !own && !top {
		return errNotHere
	}
	if populated(dir) {
		if !own || !alone(dir) || !delegated(dir, top) {
			return errOccupied
		}
		if err := p.stepAside(b, dir); err != nil {
			return err
		}
	}
	return write(dir, "cgroup.subtree_control", "+"+c)
}

// populated reports whether dir holds processes that rule out leaves beside
// them. The kernel's own refusal comes too late to rely on: it takes pids and
// cpu without a word, and makes children threaded. The real root is exempt; it
// alone has no cgroup.type.
func populated(dir string) bool {
	if !exists(path.Join(dir, "cgroup.type")) {
		return false
	}
	pids, err := processes(dir)
	return err != nil || len(pids) > 0
}

// stepAside moves us from dir into a child of it, to make room for b.
func (p placer) stepAside(b *base, dir string) error {
	aside := path.Join(dir, p.prefix+"-self")
	if err := unix.Mkdir(aside, 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	if err := write(aside, "cgroup.procs", "0"); err != nil {
		return err
	}
	b.steppedFrom = dir
	return nil
}

// alone reports whether we are the only process in dir.
func alone(dir string) bool {
	pids, err := processes(dir)
	return err == nil && len(pids) == 1 && pids[0] == os.Getpid()
}

// delegated reports whether dir is ours to arrange: systemd marked it so, it
// belongs to us, or it is all that our cgroup namespace shows.
func delegated(dir string, top bool) bool {
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		var value [1]byte
		if n, err := unix.Getxattr(dir, name, value[:]); err == nil && n == 1 && value[0] == '1' {
			return true
		}
	}
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return false
	}
	return top || os.Geteuid() != 0 && int(st.Uid) == os.Geteuid()
}

// drop removes an unused base and steps back to where we were.
func (b *base) drop() {
	if b != nil {
		_ = b.remove()
	}
}

// remove removes the base with all its leaves, killing what is in them.
func (b *base) remove() error {
	if err := removeTree(b.version, b.dir, time.Now().Add(killTimeout)); err != nil {
		return fmt.Errorf("remove our cgroups: %w", err)
	}
	if b.steppedFrom != "" {
		b.stepBack()
	}
	return nil
}

// stepBack returns us to the cgroup that we left, as it was, as far as nobody
// else uses it by now: a second process of ours, say, with leaves of its own.
func (b *base) stepBack() {
	on, err := readWords(b.steppedFrom, "cgroup.subtree_control")
	if err != nil {
		return
	}
	for _, c := range on {
		if write(b.steppedFrom, "cgroup.subtree_control", "-"+c) != nil {
			return
		}
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil || write(b.steppedFrom, "cgroup.procs", "0") != nil {
		return
	}
	_ = unix.Rmdir(path.Join(b.steppedFrom, path.Base(parseMembership(string(own))[""])))
}
