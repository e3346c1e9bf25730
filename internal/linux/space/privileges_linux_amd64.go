package space

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"cupel.dev/cupel/internal/linux/spawn"
)

func (l *launch) filter() {
	if len(l.p.Filter) == 0 {
		return
	}
	prog := &struct {
		len    uint16
		filter *Insn
	}{uint16(len(l.p.Filter)), unsafe.SliceData(l.p.Filter)}
	l.prog.Keep(prog)
	l.prog.Call("load the seccomp filter", unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, spawn.Ptr(prog))
}

// Secure bits: uid 0 gains nothing on exec, and this can't be undone.
const (
	secbitNoRoot     = 1 << 0
	secbitNoRootLock = 1 << 1
	lastCapability   = 63
)

type capHeader struct {
	version uint32
	_       int32 // pid: this process
}

type capData struct {
	effective, permitted uint32
	_                    uint32 // inheritable
}

// lockCapabilities keeps uid 0 from gaining capabilities by executing
// something. It is enough for init; a program's bounding set is emptied too.
func (l *launch) lockCapabilities() {
	l.prog.Call("lock uid 0 out of capabilities", unix.SYS_PRCTL, unix.PR_SET_SECUREBITS,
		secbitNoRoot|secbitNoRootLock)
}

// dropPrivileges empties the bounding set but for keep, switches ids, empties
// the capability sets and sets no_new_privs.
func (l *launch) dropPrivileges(uid, gid int, keep uint64) {
	p := &l.prog
	if keep == 0 {
		l.lockCapabilities()
	}
	for c := range uintptr(capabilities()) {
		if keep&(1<<c) == 0 {
			p.Call("drop a capability", unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, c)
		}
	}
	if gid != 0 {
		p.Call("become the group", unix.SYS_SETRESGID, uintptr(gid), uintptr(gid), uintptr(gid))
	}
	if uid != 0 {
		p.Call("become the user", unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid))
	}
	if uid != 0 {
		keep = 0 // the switch took them; only the bounding set stays
	}
	l.emptyCapabilities(keep)
}

// emptyCapabilities leaves the permitted and effective sets with keep, the
// others with nothing, and sets no_new_privs.
func (l *launch) emptyCapabilities(keep uint64) {
	p := &l.prog
	hdr := &capHeader{version: unix.LINUX_CAPABILITY_VERSION_3}
	data := &[2]capData{}
	for i := range data {
		bits := uint32(keep >> (32 * i))
		data[i].effective, data[i].permitted = bits, bits
	}
	p.Keep(hdr)
	p.Keep(data)
	p.Call("set capabilities", unix.SYS_CAPSET, spawn.Ptr(hdr), spawn.Ptr(data))
	p.Call("set no_new_privs", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

var knownCapabilities atomic.Int32

// capabilities is how many capabilities this kernel knows.
func capabilities() int {
	if n := knownCapabilities.Load(); n != 0 {
		return int(n)
	}
	n := 0
	for n <= lastCapability {
		if _, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(n), 0, 0, 0); err != nil {
			break
		}
		n++
	}
	knownCapabilities.Store(int32(n))
	return n
}
