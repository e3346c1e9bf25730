package enclave

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/compat/enclave/tool"
	"cupel.dev/cupel/internal/door"
	"cupel.dev/cupel/internal/wire/enclave"
	"cupel.dev/cupel/service"
)

const notebookTool = "notebook_executor"

// run is one tool's execution on its way.
type run struct {
	sandbox string
	tool    boundTool
	params  map[string]json.RawMessage
	out     tool.Outcome
	waited  time.Duration
}

// executeTool is POST /sandbox/tool/execute.
func (s *Server) executeTool(c *call) {
	req := enclave.NewRequest(c.r.URL.RawQuery)
	body, ok := c.body()
	if !ok {
		return
	}
	asked, err := req.ToolExecution(body, c.isJSON())
	if err != nil {
		c.refuse(http.StatusBadRequest, err.Error())
		return
	}
	if c.invalid(req) {
		return
	}
	sb, ok := s.lookup(c, asked.SandboxID)
	if !ok {
		c.refuse(http.StatusNotFound, notFoundText(asked.SandboxID))
		return
	}
	if err := s.enter(sb); err != nil {
		c.failEnter(err, http.StatusNotFound)
		return
	}
	defer s.leave(sb)
	t, ok := sb.plan.find(asked.ToolName)
	if !ok {
		c.refuse(http.StatusNotFound, "Tool "+asked.ToolName+" is not available")
		return
	}
	x := &run{sandbox: sb.id, tool: t, params: asked.Parameters}
	err = s.runIn(c.r.Context(), sb, x)
	s.mu.Lock()
	ended := !sb.active()
	s.mu.Unlock()
	if err != nil && ended {
		// It was stopped meanwhile, which ended the program.
		s.written(c, x, err)
		c.failEnter(inactive(sb), http.StatusNotFound)
		return
	}
	s.finish(c, x, err)
}

// runIn runs a tool in a sandbox of its own, a slot's pool, or a pool of the
// plan.
func (s *Server) runIn(ctx context.Context, sb *sandbox, x *run) error {
	ctx, stop := s.whileOpen(ctx)
	defer stop()
	switch {
	case sb.pool != nil:
		return s.runInPool(ctx, sb.pool, sb, x)
	case sb.plan.stateless():
		lends, err := s.lender(ctx, sb.plan, s.cfg.Service.Programs())
		if err != nil {
			return err
		}
		return s.retried(ctx, sb.plan, func() error { return s.runBorrowed(ctx, lends, sb.plan, x) })
	}
	before := sb.handle.Waited()
	err := s.runOwn(ctx, sb, x)
	x.waited = sb.handle.Waited() - before
	return err
}

func (s *Server) runOwn(ctx context.Context, sb *sandbox, x *run) (err error) {
	place := tool.Place{Sandbox: sb.handle, Dir: sb.plan.dir, MaxTime: s.cfg.Policy.MaxTime, Limits: sb.plan.limits, Python: sb.facts.python}
	if x.tool.Name == notebookTool {
		if place.Kernel, err = s.kernelOf(sb); err != nil {
			return err
		}
	}
	x.out, err = x.tool.Execute(ctx, place, x.params)
	return err
}

// runInPool runs a tool in a pool, as the wanted slot or as any.
func (s *Server) runInPool(ctx context.Context, pl *pool, wanted *sandbox, x *run) error {
	if err := s.enterPool(pl); err != nil {
		return err
	}
	defer s.leavePool(pl)
	ctx, stop := s.whileOpen(ctx)
	defer stop()
	return s.retried(ctx, pl.plan, func() error {
		return s.runBorrowedAs(ctx, pl, wanted, x)
	})
}

func (s *Server) runBorrowedAs(ctx context.Context, pl *pool, wanted *sandbox, x *run) error {
	waited, err := s.lend(ctx, pl.lends, pl.plan, func(ctx context.Context, _ cupel.Sandbox, place tool.Place) error {
		slot := s.take(pl, wanted)
		defer s.release(slot)
		if slot != nil {
			x.sandbox = slot.id
		}
		return s.runAt(ctx, place, x)
	})
	x.waited += waited
	return err
}

// runBorrowed runs a tool in a borrowed sandbox that no slot stands for.
func (s *Server) runBorrowed(ctx context.Context, lends *service.Pool, p *plan, x *run) error {
	waited, err := s.lend(ctx, lends, p, func(ctx context.Context, _ cupel.Sandbox, place tool.Place) error {
		return s.runAt(ctx, place, x)
	})
	x.waited += waited
	return err
}

// runAt runs a tool in a borrowed sandbox; a notebook's kernel is a fresh one.
func (s *Server) runAt(ctx context.Context, place tool.Place, x *run) error {
	if x.tool.Name == notebookTool {
		k, err := tool.StartKernel(service.AsHelper(ctx), place.Sandbox,
			tool.KernelConfig{Python: place.Python, Dir: place.Dir, MaxOutput: s.cfg.Policy.Output})
		if err != nil {
			return err
		}
		defer func() { _ = k.Close() }() // what it did is known by then
		place.Kernel = k
	}
	var err error
	x.out, err = x.tool.Execute(ctx, place, x.params)
	return err
}

// whileOpen is ctx that ends with the server, too.
func (s *Server) whileOpen(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.living, func() { cancel(errClosing) })
	return ctx, func() { stop(); cancel(nil) }
}

// retried tries once more when the machine failed, on another sandbox: a
// program that reaches nothing outside has done nothing that a second run would
// do twice.
func (s *Server) retried(ctx context.Context, p *plan, try func() error) error {
	err := try()
	kind := cupel.KindOf(err)
	if kind != cupel.Unavailable && kind != cupel.Internal || p.reachesOut() || ctx.Err() != nil {
		return err
	}
	s.cfg.Log.Warn("execution failed and is tried once more", slog.Any("error", err))
	return try()
}

// written writes a run down, unless it was no run.
func (s *Server) written(c *call, x *run, err error) {
	if cupel.KindOf(err) != cupel.Invalid {
		s.cfg.Door.Executed(c.r.Context(), door.Execution{
			Door: "enclave", Sandbox: x.sandbox, Tool: x.tool.Name, Code: x.out.Code, Result: x.out.Run, Err: err, Waited: x.waited,
		})
	}
}

// finish writes a run down and answers.
func (s *Server) finish(c *call, x *run, err error) {
	s.written(c, x, err)
	kind := cupel.KindOf(err)
	if err == nil {
		result := x.out.Result
		result.ToolName = x.tool.name
		if result.Timestamp.IsZero() {
			result.Timestamp = enclave.Time{Time: time.Now()}
		}
		if result.Metadata == nil {
			result.Metadata = map[string]any{}
		}
		c.answer(result)
		return
	}
	if kind == cupel.Canceled && s.living.Err() != nil {
		err = errClosing
	} else if kind != cupel.Invalid && kind != cupel.Canceled {
		s.say(slog.LevelError, c, "Tool "+x.tool.name+" failed: "+explain(err), slog.String("sandbox", x.sandbox))
	}
	c.fail(err, "")
}

// executeInPool is POST /pool/execute.
func (s *Server) executeInPool(c *call) {
	req := enclave.NewRequest(c.r.URL.RawQuery)
	name := req.Text("tool_name")
	timeout, bounded := req.Float("timeout")
	params, ok := c.object(req, true)
	if !ok {
		return
	}
	pl := s.resolve(c)
	if pl == nil {
		return
	}
	t, ok := pl.plan.find(name)
	if !ok {
		c.refuse(http.StatusBadRequest, "Tool "+name+" is not available")
		return
	}
	ctx := c.r.Context()
	if bounded && timeout != 0 && timeout < math.MaxInt64/float64(time.Second) { // neither NaN nor for ever
		ctx = service.WithMaxWait(ctx, max(time.Millisecond, time.Duration(timeout*float64(time.Second))))
	}
	x := &run{tool: t, params: params.Parameters()}
	err := s.runInPool(ctx, pl, nil, x)
	if errors.Is(err, service.ErrWaited) {
		err = cupel.Errorf(cupel.Exhausted, "", "Timeout waiting for available sandbox from pool after %vs%w", enclave.Float(timeout), silent{err})
	}
	s.finish(c, x, err)
}

// silent keeps a cause in the chain and out of the text.
type silent struct{ error }

func (silent) Error() string   { return "" }
func (e silent) Unwrap() error { return e.error }
