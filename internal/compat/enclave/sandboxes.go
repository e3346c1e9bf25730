package enclave

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/door"
	"cupel.dev/cupel/internal/wire/enclave"
)

const sandboxNotFound = "Sandbox not found"

func notFoundText(id string) string { return "Sandbox " + id + " not found" }

// createSandbox is POST /sandbox/create.
func (s *Server) createSandbox(c *call) {
	req := enclave.NewRequest(c.r.URL.RawQuery)
	typ := enclave.Choice(req, "sandbox_type", true, enclave.SandboxTypes)
	config, ok := c.object(req, false)
	if !ok {
		return
	}
	sb, err := s.create(c, typ, config)
	if err != nil {
		s.say(slog.LevelError, c, fmt.Sprintf("Failed to create sandbox of type %s: %s", typ, explain(err)))
		c.failConfig(err, "Failed to create sandbox: ")
		return
	}
	s.say(slog.LevelInfo, c, fmt.Sprintf("Created and started sandbox %s of type %s", sb.id, typ), slog.String("sandbox", sb.id))
	c.answer(map[string]string{"sandbox_id": sb.id})
}

// failConfig answers to a config that can't be had.
func (c *call) failConfig(err error, prefix string) {
	if bad, ok := errors.AsType[*enclave.ConfigError](err); ok {
		c.refuse(http.StatusBadRequest, prefix+bad.Error())
		return
	}
	c.fail(err, prefix)
}

func (s *Server) create(c *call, typ enclave.SandboxType, config enclave.Value) (*sandbox, error) {
	p, err := s.plan(typ, []byte(config))
	if err != nil {
		return nil, err
	}
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.work.Done()
	if err := s.reserve(1); err != nil {
		return nil, err
	}
	var sb *sandbox
	if p.stateless() {
		sb, err = s.openStateless(c, p)
	} else {
		sb, err = s.open(c.r.Context(), p)
	}
	if err != nil {
		s.giveBack(1)
		return nil, err
	}
	s.mu.Lock()
	sb.key, sb.world = c.caller.Key, c.world
	closed := s.closed
	if closed {
		s.creating--
	} else {
		s.add(sb)
	}
	s.mu.Unlock()
	if closed {
		return nil, errors.Join(errClosing, sb.end())
	}
	return sb, nil
}

// listSandboxes is GET /sandboxes.
func (s *Server) listSandboxes(c *call) {
	req := enclave.NewRequest(c.r.URL.RawQuery)
	status := enclave.Choice(req, "status", false, enclave.SandboxStatuses)
	if !c.invalid(req) {
		c.answer(s.list(c, status))
	}
}

// getSandbox is GET /sandbox/{id}.
func (s *Server) getSandbox(c *call) {
	sb, ok := s.lookup(c, c.id)
	if !ok {
		c.refuse(http.StatusNotFound, sandboxNotFound)
		return
	}
	s.mu.Lock()
	info := sb.info()
	s.mu.Unlock()
	c.answer(info)
}

// stopSandbox is POST /sandbox/{id}/stop.
func (s *Server) stopSandbox(c *call) {
	sb, ok := s.lookup(c, c.id)
	if !ok {
		s.say(slog.LevelWarn, c, "Sandbox "+clip(c.id)+" not found for stopping")
		c.refuse(http.StatusNotFound, sandboxNotFound)
		return
	}
	if err := s.halt(sb); err != nil {
		c.fail(err, "Error stopping sandbox "+sb.id+": ")
		return
	}
	s.say(slog.LevelInfo, c, "Stopped sandbox "+sb.id, slog.String("sandbox", sb.id))
	c.answer(map[string]string{"message": "Sandbox stopped successfully"})
}

// deleteSandbox is DELETE /sandbox/{id}.
func (s *Server) deleteSandbox(c *call) {
	sb, ok := s.lookup(c, c.id)
	if !ok {
		s.say(slog.LevelWarn, c, "Sandbox "+clip(c.id)+" not found for deletion")
		c.refuse(http.StatusNotFound, sandboxNotFound)
		return
	}
	s.remove(sb)
	s.say(slog.LevelInfo, c, "Deleted sandbox "+sb.id, slog.String("sandbox", sb.id))
	c.answer(map[string]string{"message": "Sandbox deleted successfully"})
}

// sandboxTools is GET /sandbox/{id}/tools.
func (s *Server) sandboxTools(c *call) {
	sb, ok := s.lookup(c, c.id)
	if !ok {
		c.refuse(http.StatusNotFound, notFoundText(c.id))
		return
	}
	c.answer(sb.plan.schemas())
}

// putArchive is POST /sandbox/{id}/archive. The archive is unpacked as it
// comes.
func (s *Server) putArchive(c *call) {
	req := enclave.NewRequest(c.r.URL.RawQuery)
	dir := req.Text("target_dir")
	if c.invalid(req) {
		return
	}
	body, ok := c.nonEmpty()
	if !ok {
		return
	}
	sb, ok := s.lookup(c, c.id)
	if !ok {
		c.refuse(http.StatusNotFound, notFoundText(c.id))
		return
	}
	if err := s.enter(sb); err != nil {
		c.failEnter(err, http.StatusBadRequest)
		return
	}
	defer s.leave(sb)
	switch {
	case sb.plan.stateless():
		c.refuse(http.StatusNotImplemented, "VolcengineSandbox does not support put_archive")
		return
	case sb.pool != nil:
		c.refuse(http.StatusConflict, "Sandbox "+sb.id+" is of a pool, where no file outlives a run: put it into a sandbox of /sandbox/create")
		return
	}
	target, err := archiveDir(sb.plan.dir, dir)
	if err != nil {
		c.fail(err, "")
		return
	}
	if err := sb.handle.Put(c.r.Context(), target, body); err != nil {
		if status, message := door.BodyError(err); status != 0 {
			c.refuse(status, message)
			return
		}
		c.fail(err, "")
		return
	}
	c.answer(map[string]bool{"ok": true})
}

// failEnter answers to a sandbox that is not there any more.
func (c *call) failEnter(err error, status int) {
	if gone, ok := errors.AsType[*errInactive](err); ok {
		c.refuse(status, gone.text)
		return
	}
	c.fail(err, "")
}

var errNoArchive = cupel.Errorf(cupel.Invalid, "", "Archive body must not be empty")
