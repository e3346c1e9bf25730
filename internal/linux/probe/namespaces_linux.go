package probe

import (
	"context"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// namespaces probes each kind of namespace by a child in one. Unless there are
// no user namespaces, the others are made by a child in a new one, as a
// sandbox would, so that root's own powers prove nothing.
type namespaces struct {
	ctx  context.Context
	tiny *tiny
	here place
}

var kinds = []struct {
	name  string
	flag  uintptr
	limit string // of user.max_LIMIT_namespaces
}{
	{"pid namespace", unix.CLONE_NEWPID, "pid"},
	{"mount namespace", unix.CLONE_NEWNS, "mnt"},
	{"net namespace", unix.CLONE_NEWNET, "net"},
	{"ipc namespace", unix.CLONE_NEWIPC, "ipc"},
	{"uts namespace", unix.CLONE_NEWUTS, "uts"},
	{"cgroup namespace", unix.CLONE_NEWCGROUP, "cgroup"},
}

func (n namespaces) probe() []Ability {
	user := n.user()
	out := []Ability{user, n.idRange(user)}
	all := uintptr(0)
	for _, k := range kinds {
		all |= k.flag
	}
	together := user.OK && n.inside(all) == nil // the usual case: one child for all
	for _, k := range kinds {
		switch {
		case together:
			out = append(out, Ability{Name: k.name, OK: true})
		case user.OK:
			err := n.inside(k.flag)
			out = append(out, verdict(k.name, "", err, n.here.fix(err, k.limit)))
		case n.here.root:
			err := n.tiny.run(n.ctx, &syscall.SysProcAttr{Cloneflags: k.flag})
			out = append(out, verdict(k.name, "only without a user namespace", err, user.Fix))
		default:
			out = append(out, Ability{Name: k.name, Detail: "needs a user namespace", Fix: user.Fix})
		}
	}
	return out
}

// user probes a user namespace with this user mapped to its root.
func (n namespaces) user() Ability {
	err := n.inside(0)
	if err == nil {
		return Ability{Name: "user namespace", OK: true}
	}
	made := n.tiny.run(n.ctx, &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER})
	if made == nil {
		return verdict("user namespace", "", fmt.Errorf("made, but its id map can't be written: %w", err),
			"give this process CAP_SETFCAP, or run it as a user other than root")
	}
	return verdict("user namespace", "", err, n.here.fix(err, "user"))
}

// inside runs a child in a new user namespace, and in those of flags.
func (n namespaces) inside(flags uintptr) error {
	return n.mapped(flags, os.Geteuid(), os.Getegid())
}

// mapped is inside, with uid and gid as the root of the user namespace.
func (n namespaces) mapped(flags uintptr, uid, gid int) error {
	return n.tiny.run(n.ctx, &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | flags,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}},
	})
}

// idRange probes a user namespace whose ids are others than this user's own.
func (n namespaces) idRange(user Ability) Ability {
	const name = "id range"
	lo, count := IDRange()
	switch {
	case !user.OK:
		return Ability{Name: name, Detail: "needs a user namespace", Fix: user.Fix}
	case count < 2:
		return Ability{Name: name, Detail: "one id exists in this user namespace",
			Fix: "map more ids into the container"}
	}
	other := int(lo + count/2)
	err := n.mapped(0, other, other)
	return verdict(name, fmt.Sprintf("%d ids from %d", count, lo), err,
		"run as root, or with CAP_SETUID and CAP_SETGID; a plain user maps its own id only")
}
