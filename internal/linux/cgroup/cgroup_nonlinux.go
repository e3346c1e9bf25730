//go:build !linux

package cgroup

import "time"

// Manager is the absence of cgroups: they exist on Linux only.
type Manager struct{}

// Leaf is a leaf that bounds nothing.
type Leaf struct{}

// Open returns a Manager whose Mode is None.
func Open(Config) (*Manager, error) { return &Manager{}, nil }

// Mode returns None.
func (*Manager) Mode() Mode { return None }

// Controllers returns nil.
func (*Manager) Controllers() []string { return nil }

// Reason says that only Linux has cgroups.
func (*Manager) Reason() string { return "cgroups exist on Linux only" }

// Acquire returns a leaf that bounds nothing.
func (*Manager) Acquire(Limits) (*Leaf, error) { return &Leaf{}, nil }

// Close does nothing.
func (*Manager) Close() error { return nil }

// AttachFDs returns nil.
func (*Leaf) AttachFDs() []int { return nil }

// Stat returns zeros.
func (*Leaf) Stat() (Stat, error) { return Stat{}, nil }

// OOMKills returns 0.
func (*Leaf) OOMKills() (int64, error) { return 0, nil }

// CPUTime returns 0.
func (*Leaf) CPUTime() (time.Duration, error) { return 0, nil }

// Kill does nothing.
func (*Leaf) Kill() error { return nil }

// Release does nothing.
func (*Leaf) Release() {}
