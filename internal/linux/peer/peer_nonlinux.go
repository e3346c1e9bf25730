//go:build !linux

package peer

// Owner says no: it needs Linux's /proc.
func Owner(peer, local string) (Process, error) { return Process{}, ErrUnknown }
