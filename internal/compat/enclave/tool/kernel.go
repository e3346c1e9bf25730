package tool

import (
	"context"
	"errors"
	"sync"
	"time"

	"cupel.dev/cupel"
)

// KernelConfig configures a Kernel. Its zero value works.
type KernelConfig struct {
	// Python is the interpreter's name inside the sandbox. Default "python".
	Python string
	// Dir is where cells start. Default: the sandbox's own.
	Dir string
	// Limits are those of the kernel's whole life, all its cells together, and
	// not above the sandbox's, which KernelLimits makes fit.
	Limits cupel.Limits
	// MaxOutput bounds what is kept of one cell: its text, and its rich
	// outputs together. Default 4 MiB.
	MaxOutput cupel.Size
	// Grace is how long a cell that is interrupted may take to end before the
	// kernel is killed. Default 2 s.
	Grace time.Duration
}

func (c KernelConfig) withDefaults() KernelConfig {
	if c.Python == "" {
		c.Python = "python"
	}
	if c.MaxOutput <= 0 {
		c.MaxOutput = 4 * cupel.MiB
	}
	if c.Grace <= 0 {
		c.Grace = 2 * time.Second
	}
	return c
}

// KernelLimits returns limits for a sandbox that a kernel is to live in: those
// given, but for the ones that would end a program which lives and talks for
// long. Other programs there get limits of their own by Place.Limits.
func KernelLimits(l cupel.Limits) cupel.Limits {
	const longest = 7 * 24 * time.Hour
	l.Time, l.CPUTime, l.Output = longest, longest, cupel.TiB
	return l
}

// Kernel runs notebook cells in a sandbox, one at a time, and keeps their
// state. It is safe for concurrent use: calls queue. A kernel that dies starts
// anew with the next cell.
type Kernel struct {
	life context.Context
	stop context.CancelCauseFunc // ends life
	sb   cupel.Sandbox
	cfg  KernelConfig

	// turn holds a token while nobody runs a cell.
	turn chan struct{}

	mu      sync.Mutex
	session *session
	closed  bool
}

// StartKernel starts a kernel in sb. The kernel lives as long as life, which is
// to be made with service.AsHelper where sb admits programs; the caller closes
// it, and before sb is closed. An image without Python is kind Unsupported.
func StartKernel(life context.Context, sb cupel.Sandbox, cfg KernelConfig) (*Kernel, error) {
	k := &Kernel{sb: sb, cfg: cfg.withDefaults(), turn: make(chan struct{}, 1)}
	k.life, k.stop = context.WithCancelCause(life)
	s, err := startSession(life, k.life, sb, k.cfg)
	if err != nil {
		k.stop(err)
		return nil, err
	}
	k.session = s
	k.turn <- struct{}{}
	return k, nil
}

// Close ends the kernel and the cell that runs. It is idempotent.
func (k *Kernel) Close() error {
	k.mu.Lock()
	k.closed = true
	s := k.session
	k.mu.Unlock()
	k.stop(errClosed)
	s.end(errClosed)
	return nil
}

// Execute runs one cell after those that were asked for before. The timeout
// counts from the cell's start; 0 is none. When ctx ends the cell is
// interrupted. The error is the machine's, or ctx's, or of kind Closed.
func (k *Kernel) Execute(ctx context.Context, code string, timeout time.Duration) (Cell, error) {
	select {
	case <-k.turn:
		defer func() { k.turn <- struct{}{} }()
	case <-ctx.Done():
		return Cell{}, canceled(ctx, "wait for the notebook kernel")
	}
	s, err := k.live(ctx)
	if err != nil {
		return Cell{}, err
	}
	id := unique("", "")
	began := time.Now()
	if err := s.send(request{ID: id, Code: &code, Timeout: timeout.Seconds()}); err != nil {
		return Cell{}, err
	}
	cell, err := k.await(ctx, s, id, timeout)
	if i, ok := k.sb.(cupel.Isolator); ok {
		cell.Run.Isolation = i.Isolation()
	}
	cell.Run.Usage.Wall = time.Since(began)
	return cell, err
}

// live returns the session, a new one if the last has ended.
func (k *Kernel) live(ctx context.Context) (*session, error) {
	k.mu.Lock()
	s, closed := k.session, k.closed
	k.mu.Unlock()
	if closed {
		return nil, &cupel.Error{Kind: cupel.Closed, Op: "run a notebook cell", Err: errClosed}
	}
	if s.alive() {
		return s, nil
	}
	s.end(errFrame)
	s, err := startSession(ctx, k.life, k.sb, k.cfg)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	k.session, closed = s, k.closed
	k.mu.Unlock()
	if closed {
		s.end(errClosed)
	}
	return s, nil
}

// slack is how much later than it should a driver may answer.
const slack = 5 * time.Second

// await waits for the answer to a cell.
func (k *Kernel) await(ctx context.Context, s *session, id string, timeout time.Duration) (Cell, error) {
	var late <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout + k.cfg.Grace + slack)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case got := <-s.frames.out:
		return answered(s, got, id)
	case <-s.done:
		select {
		case got := <-s.frames.out: // the driver's last words
			return answered(s, got, id)
		default:
			return s.ended()
		}
	case <-late:
		s.end(errSilent)
		cell, err := s.ended()
		cell.TimedOut = true
		return cell, err
	case <-ctx.Done():
	}
	_ = s.send(request{Interrupt: id})
	timer := time.NewTimer(k.cfg.Grace + slack)
	defer timer.Stop()
	select {
	case got := <-s.frames.out:
		_, _ = answered(s, got, id)
	case <-s.done:
	case <-timer.C:
		s.end(errSilent)
	}
	return Cell{}, canceled(ctx, "run a notebook cell")
}

// errSilent ends a session whose driver does not answer: a cell has stopped or
// replaced it.
var errSilent = errors.New("the kernel does not answer")
