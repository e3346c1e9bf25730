package enclave

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/linux/peer"
)

// Server serves the protocol. Make one with New. Its ServeHTTP is the bare
// protocol; the caller puts door.Wrap with Refuse around it.
type Server struct {
	cfg     Config
	started time.Time
	routes  []route

	// living ends with Close: programs that run beside tools, kernels and the
	// sweeper end with it.
	living context.Context
	die    context.CancelFunc
	work   sync.WaitGroup

	// owner finds the process at the other end of a connection.
	owner func(peer, local string) (peer.Process, error)

	mu     sync.Mutex
	closed bool
	// creating counts places that are taken and not in sandboxes yet.
	creating  int
	sandboxes map[string]*sandbox
	order     []*sandbox // by age; may hold removed ones
	pools     map[poolKey]*pool
	links     links
	told      map[string]bool
	images    map[string]imageFacts
}

var _ http.Handler = (*Server)(nil)

// New makes a Server. It holds nothing until it is asked for sandboxes. The
// caller closes it, before the service.
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, started: time.Now(), routes: routes(), owner: peer.Owner,
		sandboxes: map[string]*sandbox{}, pools: map[poolKey]*pool{},
		told: map[string]bool{}, images: map[string]imageFacts{},
	}
	s.links.init()
	s.living, s.die = context.WithCancel(context.Background())
	s.work.Go(s.sweep)
	return s, nil
}

// Handler is the bare protocol, its 404 and 405 included.
func (s *Server) Handler() http.Handler { return s }

// Close ends every sandbox and pool and returns when all are gone. Requests
// that come later, or are under way, are refused. It is idempotent.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	left := make([]*sandbox, 0, len(s.sandboxes))
	for _, sb := range s.sandboxes {
		left = append(left, sb)
	}
	s.mu.Unlock()
	if len(left) > 0 {
		s.cfg.Log.Info("Cleaning up sandboxes", slog.Int("count", len(left)))
	}
	s.die()
	var all sync.WaitGroup
	for _, sb := range left {
		all.Go(func() { s.remove(sb) })
	}
	all.Wait()
	s.work.Wait()
	return nil
}

// begin accepts work that Close waits for.
func (s *Server) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosing
	}
	s.work.Add(1)
	return nil
}

var errClosing = cupel.Errorf(cupel.Closed, "", "the server is shutting down")
