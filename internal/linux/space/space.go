package space

import (
	"fmt"
	"syscall"
)

// Config is what a Space is made of. Paths of the host are absolute; targets
// inside must exist in the layers.
type Config struct {
	// IDs is how ids inside map to the host's.
	IDs IDs
	// IDMap is a user namespace of NewIDMap's, for trees that are IDMapped.
	IDMap int
	// HostNetwork keeps this process's network namespace.
	HostNetwork bool
	// Hostname inside.
	Hostname string
	// Stage is an existing directory that the child may mount on, in its own
	// mount namespace.
	Stage string
	// Trees are mounted in order: the first, with Target "/", is the root.
	Trees []Tree
	// Devices are device files of the host, such as /dev/null, shown at the
	// same path.
	Devices []string
	// Private are the private writable directories; all share one tmpfs.
	Private []Private
	// DiskBytes and Inodes bound that tmpfs: bytes, and files made inside.
	DiskBytes int64
	Inodes    int
	// Terminals gives a private /dev/pts.
	Terminals bool
	// BindProc shows this process's own /proc, for places where no new one
	// can be mounted. Programs should then HideProc.
	BindProc bool
	// ProcMasks are files below /proc to hide in a new /proc.
	ProcMasks []string
}

// Tree is a host directory shown inside.
type Tree struct {
	// Layers are host directories, the topmost first.
	Layers []string
	Target string
	// Overlay mounts the layers as an overlay of this Space alone, so that
	// locks and watches on its files reach no other Space. Without it the one
	// layer is bound.
	Overlay bool
	// Writable sends changes to the private tmpfs (Overlay) or to the host
	// (bound).
	Writable bool
	// IDMapped is the one of Layers whose owners on disk are those inside; it
	// takes Config.IDMap.
	IDMapped string
}

// Private is a private writable directory.
type Private struct {
	Name     string // unique, no slash
	Target   string
	Mode     uint32
	UID, GID int // its owner inside
}

// StepError is a system call that failed while a Space or a program was set up.
type StepError struct {
	Step  string
	Errno syscall.Errno
}

// Error writes "step: errno".
func (e *StepError) Error() string { return fmt.Sprintf("%s: %v", e.Step, e.Errno) }

// Unwrap returns the errno.
func (e *StepError) Unwrap() error { return e.Errno }
