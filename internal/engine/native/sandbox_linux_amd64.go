package native

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/linux/space"
)

// Sandbox is a space with a policy.
type Sandbox struct {
	engine *Engine
	id     string
	spec   cupel.Spec
	cfg    space.Config
	env    map[string]string
	filter []space.Insn
	roots  []string // top-level names, for hiding a bound /proc

	mu       sync.Mutex
	space    *space.Space
	pristine space.Disk // of the private tmpfs, just made
	used     bool       // an Exec ran since it was made
	state    sandboxState
	running  map[*run]struct{}
	idle     *sync.Cond // signalled when running empties
}

type sandboxState byte

const (
	stateOpen sandboxState = iota
	stateResetting
	stateBroken
	stateClosed
)

var (
	_ cupel.Sandbox  = (*Sandbox)(nil)
	_ cupel.Resetter = (*Sandbox)(nil)
	_ cupel.Isolator = (*Sandbox)(nil)
)

// ID names the sandbox.
func (s *Sandbox) ID() string { return s.id }

// Isolation says what stands between the sandbox and the host.
func (s *Sandbox) Isolation() cupel.Isolation {
	iso := s.engine.Isolation()
	for _, t := range s.cfg.Trees {
		if !t.Overlay {
			if info, err := os.Stat(t.Layers[0]); err == nil && info.IsDir() && !s.isMount(t.Target) {
				iso.Missing = append(iso.Missing, "overlay of "+t.Target)
			}
		}
	}
	return iso
}

// enter makes the space. An overlay that the kernel refuses over a tree with
// mounts of its own is bound instead; Isolation names it.
func (s *Sandbox) enter() (*space.Space, space.Disk, error) {
	for {
		sp, err := space.Create(s.cfg)
		if err == nil {
			fresh, err := sp.Disk()
			if err != nil {
				sp.Close()
				return nil, fresh, machineError("create a sandbox", err)
			}
			return sp, fresh, nil
		}
		if errors.Is(err, space.ErrIDMap) {
			// The image's files then belong to nobody inside.
			s.engine.noIDMap.Store(true)
			s.cfg.Trees = s.engine.mapped(s.cfg.Trees)
			continue
		}
		if !s.bindInstead(err) {
			return nil, space.Disk{}, machineError("create a sandbox", err)
		}
	}
}

// bindInstead turns the tree whose opening failed into a bound one.
func (s *Sandbox) bindInstead(err error) bool {
	var step *space.StepError
	if !errors.As(err, &step) || !errors.Is(err, syscall.EINVAL) {
		return false
	}
	for i, t := range s.cfg.Trees {
		if i > 0 && t.Overlay && len(t.Layers) == 1 && step.Step == "open "+t.Layers[0] {
			s.cfg.Trees[i].Overlay, s.cfg.Trees[i].Writable = false, false
			return true
		}
	}
	return false
}

// Close ends what runs and removes the sandbox. During a Reset it leaves the
// new space to Reset, which sees that the sandbox is closed.
func (s *Sandbox) Close() error {
	s.mu.Lock()
	if s.state == stateClosed {
		s.mu.Unlock()
		return nil
	}
	s.state = stateClosed
	s.stopRuns()
	if s.space != nil {
		s.engine.discard(s.space)
		s.space = nil
	}
	s.mu.Unlock()
	s.engine.forget(s)
	return nil
}

// stopRuns ends every run and waits until the last is gone; s.mu is held.
func (s *Sandbox) stopRuns() {
	for r := range s.running {
		r.stop()
	}
	for len(s.running) > 0 {
		s.idle.Wait()
	}
}

// begin registers a run: of a program, or of a copy of files.
func (s *Sandbox) begin(r *run, program bool) (*space.Space, cupel.Startup, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state {
	case stateClosed:
		return nil, "", errClosed("exec")
	case stateBroken, stateResetting:
		return nil, "", cupel.Errorf(cupel.Unavailable, "exec", "the sandbox is being reset or failed to")
	}
	startup := cupel.StartupWarm
	if program && !s.used {
		startup, s.used = cupel.StartupCold, true
	}
	if s.running == nil {
		s.running, s.idle = map[*run]struct{}{}, sync.NewCond(&s.mu)
	}
	s.running[r] = struct{}{}
	return s.space, startup, nil
}

func (s *Sandbox) end(r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, r)
	s.idle.Broadcast()
}

// settle is how long output may still arrive once every process is dead: what
// is in the pipes is read in microseconds; more is a descriptor that escaped.
const settle = 5 * time.Second
