package service

import (
	"container/list"
	"context"
	"sync"
	"time"

	"cupel.dev/cupel"
)

// admission decides when a program may run: first come, first served, at most
// so many at once, and their memory limits together within a budget. A program
// whose limit alone is above the budget runs alone.
type admission struct {
	programs int
	budget   cupel.Size
	queueMax int

	mu       sync.Mutex
	running  int
	memory   cupel.Size
	queue    list.List // of *applicant
	admitted int64
	waited   time.Duration
}

type applicant struct {
	memory cupel.Size
	in     chan struct{}
}

func newAdmission(programs int, budget cupel.Size, queue int) *admission {
	return &admission{programs: programs, budget: budget, queueMax: queue}
}

// enter returns when a program with the memory limit may run, with how long
// that took. After a nil error the caller calls leave with the same limit.
func (a *admission) enter(ctx context.Context, memory cupel.Size) (time.Duration, error) {
	a.mu.Lock()
	if a.queue.Len() == 0 && a.fits(memory) {
		a.admit(memory)
		a.mu.Unlock()
		return 0, nil
	}
	if a.queue.Len() >= a.queueMax {
		a.mu.Unlock()
		return 0, cupel.Errorf(cupel.Exhausted, "admit", "%d programs wait already", a.queueMax)
	}
	me := &applicant{memory: memory, in: newSignal()}
	place := a.queue.PushBack(me)
	a.mu.Unlock()

	began := time.Now()
	ctx, stop := waiting(ctx)
	defer stop()
	var err error
	select {
	case <-me.in:
	case <-ctx.Done():
		err = a.giveUp(ctx, me, place)
	}
	wait := time.Since(began)
	a.mu.Lock()
	a.waited += wait
	a.mu.Unlock()
	return wait, err
}

// giveUp takes me out of the queue. When me was let in at the same moment, the
// place is passed on.
func (a *admission) giveUp(ctx context.Context, me *applicant, place *list.Element) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-me.in:
		a.admitted--
		a.free(me.memory)
	default:
		a.queue.Remove(place)
		a.next()
	}
	return canceled(ctx, "admit")
}

func (a *admission) leave(memory cupel.Size) {
	a.mu.Lock()
	a.free(memory)
	a.mu.Unlock()
}

// The rest is called with a.mu held.

func (a *admission) fits(memory cupel.Size) bool {
	return a.running == 0 || a.running < a.programs && a.memory+memory <= a.budget
}

func (a *admission) admit(memory cupel.Size) {
	a.running++
	a.memory += memory
	a.admitted++
}

func (a *admission) free(memory cupel.Size) {
	a.running--
	a.memory -= memory
	a.next()
}

// next lets in who is first in the queue, and so on: nobody overtakes, so that
// a large program is not starved by small ones.
func (a *admission) next() {
	for e := a.queue.Front(); e != nil; e = a.queue.Front() {
		me := e.Value.(*applicant)
		if !a.fits(me.memory) {
			return
		}
		a.queue.Remove(e)
		a.admit(me.memory)
		close(me.in)
	}
}

func (a *admission) stats() Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	return Stats{
		Running: a.running, Queued: a.queue.Len(), Memory: a.memory,
		Admitted: a.admitted, Waited: a.waited,
	}
}

type helperKey struct{}

// AsHelper returns a context whose Execs are not held back by admission and
// take no place in it. It is for the few programs of the caller's own that
// live long and mostly wait, such as a warm grader; held as ordinary programs
// they would keep all others out.
func AsHelper(ctx context.Context) context.Context {
	return context.WithValue(ctx, helperKey{}, true)
}

// admitted is a sandbox whose programs are admitted first.
type admitted struct {
	cupel.Sandbox
	admission *admission
	limits    cupel.Limits
	// waited is told of every wait.
	waited func(time.Duration)
}

var _ cupel.Sandbox = (*admitted)(nil)

func (s *admitted) Exec(ctx context.Context, cmd cupel.Cmd) (cupel.Result, error) {
	if ctx.Value(helperKey{}) != nil {
		return s.Sandbox.Exec(ctx, cmd)
	}
	limits, err := s.limits.Tighten(cmd.Limits)
	if err != nil {
		return cupel.Result{}, err
	}
	wait, err := s.admission.enter(ctx, limits.Memory)
	s.waited(wait)
	if err != nil {
		return cupel.Result{}, err
	}
	defer s.admission.leave(limits.Memory)
	return s.Sandbox.Exec(ctx, cmd)
}
