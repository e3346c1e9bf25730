package space

import (
	"golang.org/x/sys/unix"

	"cupel.dev/cupel/internal/linux/spawn"
)

// landlock is what hideProc keeps alive: the ruleset and the rules, whose
// descriptors exist only in the child.
type landlock struct {
	ruleset uintptr
	attr    unix.LandlockRulesetAttr
	rules   []pathRule
}

// pathRule is struct landlock_path_beneath_attr, of which the kernel reads
// twelve bytes: the open call stores its result straight into fd, whose low
// half comes first.
type pathRule struct {
	access uint64
	fd     uintptr
}

const (
	readAccess = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	// Moving files between directories is denied by any ruleset that does
	// not grant it.
	allAccess = readAccess | unix.LANDLOCK_ACCESS_FS_REFER
)

// hideProc lets the program read everything but /proc, and of /proc its own
// directory and some harmless files. It is for a bound /proc, in which every
// process of the outer place has an entry.
func (l *launch) hideProc() {
	if !l.p.HideProc {
		return
	}
	h := &landlock{ruleset: closedFD, attr: unix.LandlockRulesetAttr{Handled_access_fs: allAccess}}
	l.hide = h
	p := &l.prog
	p.Call("make a Landlock ruleset", unix.SYS_LANDLOCK_CREATE_RULESET,
		spawn.Ptr(&h.attr), landlockAttrSize, 0).Store(&h.ruleset)
	var paths []string
	for _, name := range l.p.Roots {
		paths = append(paths, "/"+name)
	}
	own := len(paths)
	paths = append(paths, "/proc/self")
	for _, name := range l.p.Readable {
		paths = append(paths, "/proc/"+name)
	}
	h.rules = make([]pathRule, len(paths))
	for i, path := range paths {
		h.rules[i].access = allAccess
		if i > own {
			h.rules[i].access = unix.LANDLOCK_ACCESS_FS_READ_FILE // files; a directory's rule covers what is below
		}
		p.Call("open "+path, unix.SYS_OPENAT, atFDCWD, p.Str(path), unix.O_PATH|unix.O_CLOEXEC).Store(&h.rules[i].fd).Tolerate()
		// One that isn't there gets no rule: what is not allowed is denied.
		p.Call("allow "+path, unix.SYS_LANDLOCK_ADD_RULE, 0, unix.LANDLOCK_RULE_PATH_BENEATH,
			spawn.Ptr(&h.rules[i]), 0).First(&h.ruleset).Tolerate()
	}
	p.Call("restrict by Landlock", unix.SYS_LANDLOCK_RESTRICT_SELF, 0, 0).First(&h.ruleset)
	p.Call("close the Landlock ruleset", unix.SYS_CLOSE_RANGE, 3, maxFD, 0)
}

const landlockAttrSize = 8 // the first version of the struct: file access alone

// HasLandlock reports whether HideProc works here.
func HasLandlock() bool {
	_, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	return errno == 0
}
