package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/api"
	"cupel.dev/cupel/internal/door"
	"cupel.dev/cupel/service"
)

// sandbox is one that a caller made.
type sandbox struct {
	id, owner string
	handle    *service.Handle
	// spec is as the caller sees it.
	spec    cupel.Spec
	created time.Time

	// used and busy are guarded by sandboxes.mu. busy counts calls under way.
	used time.Time
	busy int
}

// sandboxes are those of all callers.
type sandboxes struct {
	mu   sync.Mutex
	byID map[string]*sandbox
	// making counts those that will be added.
	making int
}

// reserve takes a place for one more; after a nil error add or giveUp follows.
func (b *sandboxes) reserve(most int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.byID)+b.making >= most {
		return cupel.Errorf(cupel.Exhausted, "create sandbox", "there are %d sandboxes already", most).
			WithHint("delete some; those that nobody uses expire")
	}
	b.making++
	return nil
}

func (b *sandboxes) giveUp() {
	b.mu.Lock()
	b.making--
	b.mu.Unlock()
}

func (b *sandboxes) add(sb *sandbox) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.making--
	if b.byID == nil {
		b.byID = map[string]*sandbox{}
	}
	b.byID[sb.id] = sb
}

// find returns the owner's sandbox. What is another's is not there.
func (b *sandboxes) find(id, owner string) (*sandbox, error) {
	if sb := b.byID[id]; sb != nil && sb.owner == owner {
		return sb, nil
	}
	return nil, cupel.Errorf(cupel.NotFound, "", "there is no sandbox %s", shown(id)).
		WithHint("it was deleted, expired, or belongs to another key; GET /v1/sandboxes lists yours")
}

// use finds a sandbox and keeps it from expiring until done is called.
func (b *sandboxes) use(id, owner string) (sb *sandbox, done func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if sb, err = b.find(id, owner); err != nil {
		return nil, nil, err
	}
	sb.busy++
	sb.used = time.Now()
	return sb, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		sb.busy--
		sb.used = time.Now()
	}, nil
}

// describe is for b.mu held.
func (sb *sandbox) describe(engine string) api.Sandbox {
	return api.Sandbox{
		ID: sb.id, Engine: engine, Spec: api.NewSpec(sb.spec),
		Created: sb.created.UTC(), Used: sb.used.UTC(), Running: sb.busy,
	}
}

// list describes the owner's sandboxes, oldest first.
func (b *sandboxes) list(owner, engine string) []api.Sandbox {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := []api.Sandbox{}
	for _, sb := range b.byID {
		if sb.owner == owner {
			all = append(all, sb.describe(engine))
		}
	}
	slices.SortFunc(all, func(x, y api.Sandbox) int {
		return cmp.Or(x.Created.Compare(y.Created), strings.Compare(x.ID, y.ID))
	})
	return all
}

// take removes the owner's sandbox from the list, for closing it.
func (b *sandboxes) take(id, owner string) (*sandbox, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	sb, err := b.find(id, owner)
	if err == nil {
		delete(b.byID, id)
	}
	return sb, err
}

// takeIdle removes from the list those that nobody used since.
func (b *sandboxes) takeIdle(since time.Time) (idle []*sandbox) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, sb := range b.byID {
		if sb.busy == 0 && !sb.used.After(since) {
			delete(b.byID, id)
			idle = append(idle, sb)
		}
	}
	return idle
}

func (b *sandboxes) closeAll() error {
	b.mu.Lock()
	all := b.byID
	b.byID = nil
	b.mu.Unlock()
	var errs []error
	for _, sb := range all {
		errs = append(errs, sb.handle.Close())
	}
	return errors.Join(errs...)
}

// sweep removes what is idle until the server closes.
func (s *Server) sweep() {
	tick := time.NewTicker(max(time.Millisecond, min(s.cfg.IdleTTL/4, time.Minute)))
	defer tick.Stop()
	for {
		select {
		case <-s.working.Done():
			return
		case <-tick.C:
		}
		since := time.Now().Add(-s.cfg.IdleTTL)
		s.pools.expire(since)
		for _, sb := range s.sandboxes.takeIdle(since) {
			s.cfg.Log.Info("sandbox expired", "sandbox", sb.id, "key", sb.owner, "used", sb.used)
			if err := sb.handle.Close(); err != nil {
				s.cfg.Log.Error("sandbox did not close", "sandbox", sb.id, "error", err)
			}
		}
	}
}

func owner(r *http.Request) string { return door.CallerOf(r.Context()).Key }

func (s *Server) createSandbox(w http.ResponseWriter, r *http.Request) error {
	var asked api.Spec
	if err := decodeJSON(w, r, &asked); err != nil {
		return err
	}
	seen, real, err := s.admit(asked)
	if err != nil {
		return err
	}
	sb, err := s.makeSandbox(r.Context(), owner(r), seen, real)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/v1/sandboxes/"+sb.ID)
	writeJSON(w, http.StatusCreated, sb)
	return nil
}

// makeSandbox makes one and lists it. A caller that went away meanwhile has
// none.
func (s *Server) makeSandbox(ctx context.Context, owner string, seen, real cupel.Spec) (*api.Sandbox, error) {
	if err := s.sandboxes.reserve(s.cfg.Policy.MaxSandboxes); err != nil {
		return nil, err
	}
	handle, err := s.cfg.Service.Create(ctx, s.cfg.Engine, real)
	if err != nil {
		s.sandboxes.giveUp()
		return nil, err
	}
	if ctx.Err() != nil {
		s.sandboxes.giveUp()
		return nil, errors.Join(&cupel.Error{Kind: cupel.Canceled, Op: "create sandbox", Err: context.Cause(ctx)}, handle.Close())
	}
	now := time.Now()
	sb := &sandbox{id: strings.ToLower(rand.Text()), owner: owner, handle: handle, spec: seen, created: now, used: now}
	doc := sb.describe(s.cfg.Engine.Name)
	s.sandboxes.add(sb)
	return &doc, nil
}

func (s *Server) listSandboxes(w http.ResponseWriter, r *http.Request) error {
	writeJSON(w, http.StatusOK, api.SandboxList{Sandboxes: s.sandboxes.list(owner(r), s.cfg.Engine.Name)})
	return nil
}

func (s *Server) getSandbox(w http.ResponseWriter, r *http.Request) error {
	s.sandboxes.mu.Lock()
	sb, err := s.sandboxes.find(r.PathValue("id"), owner(r))
	if err != nil {
		s.sandboxes.mu.Unlock()
		return err
	}
	doc := sb.describe(s.cfg.Engine.Name)
	s.sandboxes.mu.Unlock()
	writeJSON(w, http.StatusOK, doc)
	return nil
}

func (s *Server) deleteSandbox(w http.ResponseWriter, r *http.Request) error {
	sb, err := s.sandboxes.take(r.PathValue("id"), owner(r))
	if err != nil {
		return err
	}
	if err := sb.handle.Close(); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// resetSandbox makes a sandbox pristine. One that could not be is removed.
func (s *Server) resetSandbox(w http.ResponseWriter, r *http.Request) error {
	sb, done, err := s.sandboxes.use(r.PathValue("id"), owner(r))
	if err != nil {
		return err
	}
	defer done()
	resetter, ok := any(sb.handle).(cupel.Resetter)
	if !ok {
		return cupel.Errorf(cupel.Unsupported, "reset", "the %s engine's sandboxes have no reset", s.cfg.Engine.Name).
			WithHint("delete it and create another")
	}
	err = resetter.Reset(r.Context())
	if err != nil && cupel.KindOf(err) != cupel.Unsupported {
		if sb, gone := s.sandboxes.take(sb.id, sb.owner); gone == nil {
			err = errors.Join(err, sb.handle.Close())
		}
	}
	if err != nil {
		return begun{err}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
