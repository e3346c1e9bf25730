package cgroup

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
)

// maxIdle is how many leaves wait in the pool; each keeps about 16 files open.
const maxIdle = 64

// Manager makes, pools and removes leaves. Its methods may be called at once.
type Manager struct {
	mode        Mode
	controllers []string
	reason      string
	bases       []*base
	noteFile    string // in the registry

	mu     sync.Mutex
	idle   []*Leaf
	made   int
	closed bool

	making sync.RWMutex // held for reading while a leaf is made: Close waits
}

// Mode says which cgroups are in use.
func (m *Manager) Mode() Mode { return m.mode }

// Controllers returns those of memory, pids and cpu that bound a leaf here.
func (m *Manager) Controllers() []string { return slices.Clone(m.controllers) }

// Reason says in one line why not every controller works and what to do; ""
// if all do.
func (m *Manager) Reason() string { return m.reason }

// Acquire returns a leaf with the limits, from the pool or fresh. In Mode None
// that is a leaf of no directories: nothing to attach to, zeros in Stat.
func (m *Manager) Acquire(limits Limits) (*Leaf, error) {
	if m.mode == None {
		return &Leaf{manager: m}, nil
	}
	l, err := m.take(limits)
	if err != nil {
		return nil, err
	}
	if l == nil {
		if l, err = m.fresh(); err != nil {
			return nil, err
		}
	}
	if err := l.setLimits(limits); err != nil {
		return nil, errors.Join(fmt.Errorf("limit a cgroup: %w", err), l.destroy())
	}
	return l, nil
}

// take returns a leaf of the pool, one that has the same limits already if
// there is one, or nil.
func (m *Manager) take(limits Limits) (*Leaf, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	at := -1
	for i, l := range slices.Backward(m.idle) {

		if limits.Memory != 0 && l.residue > limits.Memory/16 {
			continue
		}
		if l.limits == limits {
			at = i
			break
		}
		if at < 0 {
			at = i
		}
	}
	if at < 0 {
		return nil, nil
	}
	l := m.idle[at]
	m.idle = slices.Delete(m.idle, at, at+1)
	return l, nil
}

// fresh makes a leaf.
func (m *Manager) fresh() (*Leaf, error) {
	m.making.RLock()
	defer m.making.RUnlock()
	m.mu.Lock()
	m.made++
	name, closed := strconv.Itoa(m.made), m.closed
	m.mu.Unlock()
	if closed {
		return nil, ErrClosed
	}
	return newLeaf(m, m.bases, name)
}

// release takes a leaf back, or a fresh one in its place.
func (m *Manager) release(l *Leaf) {
	if !l.clean() {
		limits := l.limits
		_ = l.destroy() // Close tries again
		var err error
		if l, err = m.fresh(); err != nil {
			return
		}
		if err := l.setLimits(limits); err != nil {
			_ = l.destroy()
			return
		}
	}
	m.mu.Lock()
	keep := !m.closed && len(m.idle) < maxIdle
	if keep {
		m.idle = append(m.idle, l)
	}
	m.mu.Unlock()
	if !keep {
		_ = l.destroy()
	}
}

// Close kills what is in our leaves and removes all our directories, leaves in
// use included. It is idempotent; after an error it may be tried again.
func (m *Manager) Close() error {
	m.making.Lock()
	defer m.making.Unlock()
	m.mu.Lock()
	m.closed = true
	idle := m.idle
	m.idle = nil
	m.mu.Unlock()
	for _, l := range idle {
		l.close()
	}
	var errs []error
	for _, b := range m.bases {
		errs = append(errs, b.remove())
	}
	err := errors.Join(errs...)
	if err == nil && m.noteFile != "" {
		_ = os.Remove(m.noteFile)
	}
	return err
}
