// Package service shares engines, pools sandboxes and admits work.
//
// A [Service] opens each engine once per configuration, however many ask for
// it at the same time. It gives sandboxes out in two ways: a [Pool] lends
// reused ones, each reset and verified between two borrowers, and a [Handle]
// is a fresh sandbox of the caller's own. Both run programs through one
// admission: no more at once than there are cores, no more memory promised
// than there is. Waiting is reported and never counted as run time.
//
// A Service goes from open through closing to closed and is never reused.
package service

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"cupel.dev/cupel"
)

// Opener opens an engine; package engines has one. The context ends when the
// service closes, not when one of the callers that wait for the engine does.
type Opener func(ctx context.Context, ref EngineRef) (cupel.Engine, error)

// Config configures a Service. Only Open is needed.
type Config struct {
	// Open opens engines. The service closes what it opened.
	Open Opener
	// Programs is how many programs run at once. Default: the cores that
	// this process may use.
	Programs int
	// MemoryBudget bounds the sum of the memory limits of the programs that
	// run at once. Default: 80 % of the memory that is available now, the
	// limit of the control group considered.
	MemoryBudget cupel.Size
	// Queue is how many callers may wait for one pool, and how many programs
	// may wait to be admitted; one more is kind Exhausted. Default 4096.
	Queue int
	// ResetTimeout bounds a reset; a sandbox that takes longer is replaced.
	// Default 30 s.
	ResetTimeout time.Duration
	// PoolIdle is how long a pool keeps its sandboxes while nobody uses it.
	// Default: as long as the service.
	PoolIdle time.Duration
	// Log receives what an operator wants to know. Default: nothing.
	Log *slog.Logger
}

// Service owns engines, pools and handles. It is safe for concurrent use.
type Service struct {
	cfg       Config
	admission *admission
	engines   flight[string, cupel.Engine]
	pools     flight[string, *Pool]

	// starting ends when Close is called: starts of engines and pools stop.
	starting     context.Context
	stopStarting context.CancelFunc
	// working ends when Close stops waiting: accepted work is cancelled.
	working     context.Context
	stopWorking context.CancelFunc

	mu    sync.Mutex
	phase phase
	ops   sync.WaitGroup
	// background is work of the service's own; it ends with starting.
	background sync.WaitGroup
	handles    map[*Handle]struct{}
	closed     chan struct{}
	err        error
}

type phase int

const (
	phaseOpen phase = iota
	phaseClosing
	phaseClosed
)

func (p phase) String() string {
	return [...]string{"open", "closing", "closed"}[p]
}

// New makes a Service. Nothing is started until it is asked for.
func New(cfg Config) *Service {
	if cfg.Programs <= 0 {
		cfg.Programs = cores()
	}
	if cfg.MemoryBudget <= 0 {
		cfg.MemoryBudget = memoryBudget()
	}
	if cfg.Queue <= 0 {
		cfg.Queue = 4096
	}
	if cfg.ResetTimeout <= 0 {
		cfg.ResetTimeout = 30 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{
		cfg:       cfg,
		admission: newAdmission(cfg.Programs, cfg.MemoryBudget, cfg.Queue),
		handles:   map[*Handle]struct{}{},
		closed:    make(chan struct{}),
	}
	s.starting, s.stopStarting = context.WithCancel(context.Background())
	s.working, s.stopWorking = context.WithCancel(context.Background())
	if cfg.PoolIdle > 0 {
		s.background.Go(s.retireIdle)
	}
	return s
}

// Programs is how many programs the service runs at once.
func (s *Service) Programs() int { return s.cfg.Programs }

// MemoryBudget is what the memory limits of the programs that run at once may
// sum up to.
func (s *Service) MemoryBudget() cupel.Size { return s.cfg.MemoryBudget }

// Stats says what the service does now and what it did.
func (s *Service) Stats() Stats { return s.admission.stats() }

// Stats is about the programs of all pools and handles.
type Stats struct {
	// Running and Queued are programs now; Memory is what the running ones
	// may use together.
	Running, Queued int
	Memory          cupel.Size
	// Admitted is how many programs were let in since the start, and Waited
	// how long they waited for it, summed up.
	Admitted int64
	Waited   time.Duration
}

// begin accepts one operation; the caller calls s.ops.Done at its end.
func (s *Service) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != phaseOpen {
		return cupel.Errorf(cupel.Closed, "service", "the service is %s and accepts no new work", s.phase)
	}
	s.ops.Add(1)
	return nil
}

// engine returns the one engine of ref and starts it when needed.
func (s *Service) engine(ctx context.Context, ref EngineRef) (cupel.Engine, error) {
	key, err := ref.key()
	if err != nil {
		return nil, err
	}
	return s.engines.do(ctx, key, func() (cupel.Engine, error) {
		if s.starting.Err() != nil {
			return nil, cupel.Errorf(cupel.Closed, "open engine", "the service is closing")
		}
		e, err := s.cfg.Open(s.starting, ref)
		if err != nil {
			return nil, err
		}
		started := "Local sandbox manager started"
		if own, ok := e.(interface{ Started() string }); ok {
			started = own.Started()
		}
		s.cfg.Log.Info(started, "engine", e.Name())
		return e, nil
	})
}

// Close refuses new work, waits for the work that was accepted, and leaves
// nothing: sandboxes still open and every engine are closed. Engines and pools
// that are just starting are cancelled. It is idempotent, and every call
// returns after all is gone. A failure to close one thing does not keep the
// others open; all failures are returned.
func (s *Service) Close() error { return s.Shutdown(context.Background()) }

// Shutdown is Close that cancels the accepted work when ctx ends.
func (s *Service) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	first := s.phase == phaseOpen
	if first {
		s.phase = phaseClosing
	}
	s.mu.Unlock()
	defer context.AfterFunc(ctx, s.stopWorking)()
	if first {
		go s.shutdown()
	}
	<-s.closed
	return s.err
}

func (s *Service) shutdown() {
	s.stopStarting()
	s.background.Wait()
	s.ops.Wait()
	s.stopWorking()
	var errs []error
	for _, p := range s.pools.wait() {
		errs = append(errs, p.close())
	}
	for _, h := range s.openHandles() {
		errs = append(errs, h.Close())
	}
	for _, e := range s.engines.wait() {
		if err := e.Close(); err != nil {
			s.cfg.Log.Error("engine did not close", "engine", e.Name(), "error", err)
			errs = append(errs, err)
		}
	}
	s.err = errors.Join(errs...)
	s.mu.Lock()
	s.phase = phaseClosed
	s.mu.Unlock()
	close(s.closed)
}

// EngineRef names an engine and its configuration. Two references with the
// same name and equal configurations, however they are written, share one
// engine.
type EngineRef struct {
	// Name is the engine's name, resolved from aliases by the caller.
	Name string
	// Config is a JSON object, or empty.
	Config json.RawMessage
}

// key is the same for references that mean the same: object keys sorted,
// numbers as written, nothing and null and {} alike.
func (r EngineRef) key() (string, error) {
	config := "{}"
	if len(r.Config) > 0 {
		canonical, err := canonicalJSON(r.Config)
		if err != nil {
			return "", cupel.Invalidf("engine config", string(r.Config), "write a JSON object ("+err.Error()+")")
		}
		if canonical != "null" {
			config = canonical
		}
	}
	return r.Name + "\x00" + config, nil
}
