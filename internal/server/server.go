package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/door"
	"cupel.dev/cupel/service"
)

// Config configures a Server. Only Service and Engine are needed.
type Config struct {
	// Service runs everything. It stays the caller's, who closes it after the
	// Server.
	Service *service.Service
	// Engine is where sandboxes come from.
	Engine service.EngineRef
	// Door is told of every execution; nil tells nobody.
	Door *door.Door
	// Images maps the name of an image to a source as in cupel.Spec. Its error
	// is the caller's: make it kind Invalid or NotFound and name the setting.
	// The name "host" is asked for too, and means itself where that is an
	// error. Nil knows "host" alone.
	Images func(name string) (source string, err error)
	// Policy says what requests may ask for.
	Policy Policy
	// IdleTTL is how long a sandbox stays that nobody uses. Default 2 h.
	IdleTTL time.Duration
	// Version is what GET /v1/health says.
	Version string
	// Log receives what an operator wants to know. Default: nothing.
	Log *slog.Logger
}

// Policy is what the operator lets requests ask for. Its zero value opens
// nothing.
type Policy struct {
	// Network is the widest network: none (the default) or host.
	Network cupel.Network
	// Mounts are directories of the host of which requests may mount what is
	// in them, read-only; "DIR:rw" also writable. Links are followed first.
	Mounts []string
	// Privileges lets requests ask for cupel.PrivilegesContainer.
	Privileges bool
	// Isolation is the weakest level that requests may accept. Default
	// standard.
	Isolation cupel.IsolationLevel
	// MaxLimits are the most that a request may ask for. A zero field is no
	// bound, but Output's is 64 MiB then: the server holds it in memory.
	MaxLimits cupel.Limits
	// MaxSandboxes bounds the sandboxes of POST /v1/sandboxes, of all callers
	// together, and the size of a pool. Default 256.
	MaxSandboxes int
	// MaxPools bounds the pools of all callers together; runs that would need
	// one more get fresh sandboxes. Default 32.
	MaxPools int
}

// Server is an http.Handler for the paths below /v1/. It is safe for
// concurrent use.
type Server struct {
	cfg       Config
	mux       *http.ServeMux
	sandboxes sandboxes
	pools     pools

	// working ends when Close is called.
	working context.Context
	stop    context.CancelCauseFunc

	mu       sync.Mutex
	closed   bool
	inFlight sync.WaitGroup
	sweeping sync.WaitGroup
	closing  sync.Once
	err      error
}

var _ http.Handler = (*Server)(nil)

// New makes a Server. The caller closes it.
func New(cfg Config) *Server {
	if cfg.IdleTTL <= 0 {
		cfg.IdleTTL = 2 * time.Hour
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &cfg.Policy
	if p.Network == "" {
		p.Network = cupel.NetworkNone
	}
	if p.Isolation == "" {
		p.Isolation = cupel.IsolationStandard
	}
	if p.MaxLimits.Output == 0 {
		p.MaxLimits.Output = 64 * cupel.MiB
	}
	if p.MaxSandboxes <= 0 {
		p.MaxSandboxes = 256
	}
	if p.MaxPools <= 0 {
		p.MaxPools = 32
	}
	s := &Server{cfg: cfg}
	s.working, s.stop = context.WithCancelCause(context.Background())
	s.mux = s.newMux()
	s.sweeping.Go(s.sweep)
	return s
}

// errClosing is what requests are told after Close.
var errClosing = &cupel.Error{Kind: cupel.Closed, Op: "serve", Err: errors.New("the server is closing")}

// ServeHTTP answers one request. Its context ends with the server too.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		s.refuse(w, r, errClosing)
		return
	}
	s.inFlight.Add(1)
	s.mu.Unlock()
	defer s.inFlight.Done()
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer context.AfterFunc(s.working, func() { cancel(errClosing) })()
	inner := r.WithContext(ctx)
	// Who stands before this handler names the route in what it counts.
	defer func() { r.Pattern = inner.Pattern }()
	s.mux.ServeHTTP(w, inner)
}

// Close ends the requests under way with kind Closed, refuses new ones and
// removes every sandbox that callers left. It is idempotent, and every call
// returns after all is gone. A server that should finish what it began is
// drained first, by http.Server.Shutdown.
func (s *Server) Close() error {
	s.closing.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.stop(errClosing)
		s.inFlight.Wait()
		s.sweeping.Wait()
		s.err = s.sandboxes.closeAll()
	})
	return s.err
}
