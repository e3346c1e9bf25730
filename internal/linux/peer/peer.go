// Package peer finds the process at the other end of a TCP connection on this
// machine. It serves a protocol whose requests don't say whose they are: two
// processes that share an address can still be told apart. It is no proof of
// identity, since a descriptor can be handed on.
package peer

import "errors"

// Process is a process of this machine. Start, its start time in clock ticks
// since boot, tells it from a later one with the same PID. It is comparable.
type Process struct {
	PID   int
	Start uint64
}

// ErrUnknown says that no process was found: the peer is on another machine or
// in another network namespace, has closed the connection, or belongs to a
// user whose descriptors may not be read.
var ErrUnknown = errors.New("the process at the other end is not known")
