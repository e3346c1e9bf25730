package enclave

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/wire/enclave"
)

// idLetters is the protocol's alphabet: no letter looks like another.
const idLetters = "23456789abcdefghijkmnopqrstuvwxyz"

// newID makes an id that nobody can guess; s.mu is held.
func (s *Server) newID() string {
	for {
		var raw [16]byte
		_, _ = rand.Read(raw[:]) // never fails
		id := make([]byte, 0, 8)
		for _, b := range raw {
			// What is above the last whole alphabet would favour its start.
			if len(id) < 8 && int(b) < 256/len(idLetters)*len(idLetters) {
				id = append(id, idLetters[int(b)%len(idLetters)])
			}
		}
		if len(id) == 8 && s.sandboxes[string(id)] == nil {
			return string(id)
		}
	}
}

// reserve takes n places, which add or giveBack gives back.
func (s *Server) reserve(n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosing
	}
	live := s.creating + n
	for _, sb := range s.sandboxes {
		if sb.status != enclave.StatusStopped && sb.status != enclave.StatusError {
			live++
		}
	}
	if most := s.cfg.Policy.MaxSandboxes; live > most {
		return cupel.Errorf(cupel.Exhausted, "", "there are %d sandboxes already: delete some, or try again later", most)
	}
	s.creating += n
	return nil
}

func (s *Server) giveBack(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.creating -= n
}

// add names a sandbox and lists it, in a place that was reserved; s.mu is
// held.
func (s *Server) add(sb *sandbox) {
	sb.id = s.newID()
	s.creating--
	s.sandboxes[sb.id] = sb
	s.order = append(s.order, sb)
	if len(s.order) > 2*len(s.sandboxes)+64 {
		s.order = slices.DeleteFunc(s.order, func(old *sandbox) bool { return s.sandboxes[old.id] != old })
	}
}

// sees reports whether the caller may know of sb.
func (c *call) sees(sb *sandbox) bool {
	return sb.key == c.caller.Key && (c.world == "" || c.world == sb.world)
}

// find returns a sandbox that the caller may know of.
func (s *Server) lookup(c *call, id string) (*sandbox, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sb := s.sandboxes[id]
	if sb == nil || !c.sees(sb) {
		return nil, false
	}
	return sb, true
}

// list returns what is told of the caller's sandboxes, the oldest first.
func (s *Server) list(c *call, status enclave.SandboxStatus) []enclave.SandboxInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []enclave.SandboxInfo{}
	for _, sb := range s.order {
		if s.sandboxes[sb.id] == sb && c.sees(sb) && (status == "" || status == sb.status) {
			all = append(all, sb.info())
		}
	}
	return all
}

// enter accepts a tool's run in a sandbox; the caller calls leave at its end.
func (s *Server) enter(sb *sandbox) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosing
	}
	if !sb.active() || s.sandboxes[sb.id] != sb {
		return inactive(sb)
	}
	sb.running++
	sb.updated = time.Now()
	s.work.Add(1)
	return nil
}

func (s *Server) leave(sb *sandbox) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.work.Done()
	s.rest(sb)
}

// rest ends one of the runs in sb; s.mu is held.
func (s *Server) rest(sb *sandbox) {
	sb.running--
	sb.updated = time.Now()
	if sb.status == enclave.StatusBusy && sb.running == 0 {
		sb.status = enclave.StatusIdle
	}
}

// errInactive is what a tool is told whose sandbox has ended.
type errInactive struct{ text string }

func (e *errInactive) Error() string { return e.text }

func inactive(sb *sandbox) error {
	// The status is written as Python shows the member of an enumeration.
	names := map[enclave.SandboxStatus]string{
		enclave.StatusInitializing: "INITIALIZING", enclave.StatusRunning: "RUNNING", enclave.StatusIdle: "IDLE", enclave.StatusBusy: "BUSY",
		enclave.StatusStopping: "STOPPING", enclave.StatusStopped: "STOPPED", enclave.StatusError: "ERROR",
	}
	return &errInactive{fmt.Sprintf("Sandbox %s is not active (status: SandboxStatus.%s)", sb.id, names[sb.status])}
}

// halt ends a sandbox and keeps its record. A slot leaves its pool.
func (s *Server) halt(sb *sandbox) error {
	s.mu.Lock()
	if !sb.active() {
		s.mu.Unlock()
		return nil
	}
	sb.status, sb.updated = enclave.StatusStopping, time.Now()
	if sb.pool != nil {
		s.dropSlot(sb)
	}
	s.mu.Unlock()
	err := sb.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	sb.status, sb.updated = enclave.StatusStopped, time.Now()
	if err != nil {
		sb.status = enclave.StatusError
		sb.metadata["error"] = explain(err)
	}
	return err
}

// remove ends a sandbox and forgets it.
func (s *Server) remove(sb *sandbox) {
	if err := s.halt(sb); err != nil {
		s.cfg.Log.Error("Error stopping sandbox "+sb.id, slog.String("sandbox", sb.id), slog.Any("error", err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sandboxes[sb.id] == sb {
		delete(s.sandboxes, sb.id)
	}
}

// sweep ends what nobody has used for long.
func (s *Server) sweep() {
	tick := time.NewTicker(max(time.Second, min(cleanupInterval, s.cfg.IdleTTL/4)))
	defer tick.Stop()
	for {
		select {
		case <-s.living.Done():
			return
		case <-tick.C:
		}
		for _, sb := range s.expired(time.Now()) {
			s.cfg.Log.Info("Cleaning up expired sandbox: "+sb.id, slog.String("sandbox", sb.id))
			s.remove(sb)
		}
	}
}

// expired are the sandboxes whose time is over: idle ones, the slots of idle
// pools, and records of stopped ones, more of which than sandboxes may live
// are not kept at all.
func (s *Server) expired(now time.Time) []*sandbox {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out, records []*sandbox
	for _, sb := range s.order {
		if s.sandboxes[sb.id] != sb {
			continue
		}
		used, running := sb.updated, sb.running
		if sb.pool != nil && sb.active() {
			used, running = sb.pool.used, sb.pool.running
		}
		switch idle := now.Sub(used); {
		case sb.status == enclave.StatusStopped || sb.status == enclave.StatusError:
			if idle >= min(keepStopped, s.cfg.IdleTTL) {
				out = append(out, sb)
			} else {
				records = append(records, sb)
			}
		case sb.active() && running == 0 && idle >= s.cfg.IdleTTL:
			out = append(out, sb)
		}
	}
	if extra := len(records) - s.cfg.Policy.MaxSandboxes; extra > 0 {
		out = append(out, records[:extra]...)
	}
	return out
}
