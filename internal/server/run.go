package server

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/api"
	"cupel.dev/cupel/internal/door"
	"cupel.dev/cupel/internal/lang"
)

// run runs one program in a sandbox of its own.
func (s *Server) run(w http.ResponseWriter, r *http.Request) error {
	var req api.RunRequest
	if err := decodeJSON(w, r, &req); err != nil {
		return err
	}
	p, err := newProgram(&req)
	if err != nil {
		return err
	}
	seen, real, err := s.admit(api.Spec{
		Image: req.Image, Limits: req.Limits, Network: req.Network, Dir: req.Dir, Isolation: req.Isolation,
	})
	if err != nil {
		return err
	}
	p.Limits, p.Dir = seen.Limits, seen.Dir
	if err := p.setCompileTime(req.CompileTime, s.cfg.Policy.MaxLimits, "this server allows"); err != nil {
		return err
	}
	seen.Limits = p.SpecLimits()
	real.Limits = seen.Limits
	if !req.Fresh {
		pool, err := s.poolOfRun(r.Context(), owner(r), seen, real)
		if err != nil {
			return err
		}
		if pool != nil {
			return s.answer(w, r, p, s.borrow(pool))
		}
	}
	return s.answer(w, r, p, s.fresh(real))
}

// lend calls fn with a sandbox. Its error is fn's, or why there is none.
type lend func(ctx context.Context, fn func(ctx context.Context, sb cupel.Sandbox) error) error

// fresh lends a sandbox that is made for the purpose and removed after.
func (s *Server) fresh(spec cupel.Spec) lend {
	return func(ctx context.Context, fn func(context.Context, cupel.Sandbox) error) error {
		sb, err := s.cfg.Service.Create(ctx, s.cfg.Engine, spec)
		if err != nil {
			return err
		}
		defer func() {
			if err := sb.Close(); err != nil {
				s.cfg.Log.Error("sandbox did not close", "sandbox", sb.ID(), "error", err)
			}
		}()
		return fn(ctx, sb)
	}
}

// exec runs one command in a caller's sandbox.
func (s *Server) exec(w http.ResponseWriter, r *http.Request) error {
	var req api.ExecRequest
	if err := decodeJSON(w, r, &req); err != nil {
		return err
	}
	sb, done, err := s.sandboxes.use(r.PathValue("id"), owner(r))
	if err != nil {
		return err
	}
	defer done()
	stdin, err := eitherOf("stdin", req.Stdin, req.StdinBase64)
	if err != nil {
		return err
	}
	p := &program{command: req.Args, user: req.User}
	p.Stdin, p.Env, p.Dir = bytes.NewReader(stdin), req.Env, req.Dir
	if err := p.validate(); err != nil {
		return err
	}
	if p.Limits, err = within(req.Limits, sb.spec.Limits, "sandbox"); err != nil {
		return err
	}
	return s.answer(w, r, p, func(ctx context.Context, fn func(context.Context, cupel.Sandbox) error) error {
		err := fn(ctx, listed{sb.handle, sb.id})
		switch cupel.KindOf(err) {
		case cupel.Unavailable, cupel.Closed, cupel.Canceled:
			// The sandbox may have been changed by then.
			err = begun{err}
		}
		return err
	})
}

// listed is a sandbox under the id that its caller knows.
type listed struct {
	cupel.Sandbox
	id string
}

func (l listed) ID() string { return l.id }

// within checks limits of one program against those of the sandbox or pool
// that it runs in.
func within(asked api.Limits, bound cupel.Limits, what string) (cupel.Limits, error) {
	switch {
	case asked.Disk != 0:
		return cupel.Limits{}, cupel.Invalidf("limits.disk", asked.Disk.String(), "it bounds the whole "+what+", and is set when that is made")
	case asked.Inodes != 0:
		return cupel.Limits{}, cupel.Invalidf("limits.inodes", "", "it bounds the whole "+what+", and is set when that is made")
	}
	return asked.Cupel(), below(asked, bound, "the "+what+" allows")
}

// answer runs p in a sandbox that lend has and answers with its result, as one
// document or as a stream.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, p *program, lend lend) error {
	streams, err := wantsStream(r)
	if err != nil {
		return err
	}
	if streams {
		return s.answerStream(w, r, p, lend)
	}
	var stdout, stderr bytes.Buffer
	out, err := s.execute(r.Context(), p, lend, &stdout, &stderr)
	doc := s.result(out, stdout.Bytes(), stderr.Bytes())
	switch {
	case cupel.KindOf(err) == cupel.Canceled:
		doc.Status = ""
		s.refuseWith(w, r, err, doc)
		return nil
	case err != nil:
		return err
	}
	writeJSON(w, http.StatusOK, doc)
	return nil
}

// execute runs p and writes it down.
func (s *Server) execute(ctx context.Context, p *program, lend lend, stdout, stderr io.Writer) (out lang.Outcome, err error) {
	err = lend(ctx, func(ctx context.Context, sb cupel.Sandbox) error {
		before := time.Duration(0)
		if l, ok := sb.(listed); ok {
			before = waitOf(l.Sandbox) // other programs' waits
		}
		var err error
		out, err = p.run(ctx, sb, stdout, stderr)
		if s.cfg.Door != nil {
			s.cfg.Door.Executed(ctx, door.Execution{
				Door: "v1", Sandbox: sb.ID(), Tool: p.tool(), Code: p.code(),
				Result: out.Result, Err: err, Waited: waitOf(sb) - before,
			})
		}
		return err
	})
	return out, err
}

// waitOf is how long programs waited in sb until now, where it can say so.
func waitOf(sb cupel.Sandbox) time.Duration {
	if l, ok := sb.(listed); ok {
		sb = l.Sandbox
	}
	if w, ok := sb.(interface{ Waited() time.Duration }); ok {
		return w.Waited()
	}
	return 0
}

// result describes what became of a program.
func (s *Server) result(out lang.Outcome, stdout, stderr []byte) *api.Result {
	engine, is := s.cfg.Engine.Name, out.Result.Isolation
	doc := api.NewResult(out.Result, engine, is, stdout, stderr)
	if out.Compile != nil {
		doc.SetCompile(api.NewResult(*out.Compile, engine, is, out.CompileStdout, out.CompileStderr))
	}
	return doc
}
