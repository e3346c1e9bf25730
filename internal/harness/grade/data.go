package grade

import (
	"context"
	"encoding/binary"
	"sync"
)

// planned is a task's plan, made once and shared.
type planned struct {
	mu       sync.Mutex
	done     bool
	byData   bool
	calls    []byte // the plan: fields
	inverted string // the test with its last check turned round
}

// maxPlans bounds the cache; a run has far fewer tasks.
const maxPlans = 8192

// plan returns the task's plan, asking the grader the first time. A failure is
// not kept, so that the next attempt tries again.
func (g *Grader) plan(ctx context.Context, task Task) (*planned, error) {
	key := task
	key.ID, key.Dataset, key.CPULimit, key.WallLimit = "", "", 0, 0
	g.mu.Lock()
	p := g.plans[key]
	if p == nil {
		if len(g.plans) >= maxPlans {
			clear(g.plans)
		}
		p = &planned{}
		g.plans[key] = p
	}
	g.mu.Unlock()

	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done {
		return p, nil
	}
	rep, err := g.procs.ask(ctx, taskRequest("plan", task))
	if err != nil {
		return nil, err
	}
	if err := rep.failure("plan the checks of " + task.ID); err != nil {
		return nil, err
	}
	p.byData, p.calls, p.inverted, p.done = rep.Way == "data", rep.blob, rep.Inverted, true
	return p, nil
}

// compiledDriver is the beginning of every payload: the driver, compiled by
// the grader's interpreter, and its source.
func (g *Grader) compiledDriver(ctx context.Context) ([]byte, error) {
	g.mu.Lock()
	driver := g.driver
	g.mu.Unlock()
	if driver != nil {
		return driver, nil
	}
	rep, err := g.procs.ask(ctx, request{Op: "hello"}, []byte(driverText))
	if err != nil {
		return nil, err
	}
	if err := rep.failure("compile the driver"); err != nil {
		return nil, err
	}
	driver = appendField(nil, rep.Version)
	driver = appendField(driver, rep.blob)
	driver = appendField(driver, driverText)
	g.mu.Lock()
	g.driver = driver
	g.mu.Unlock()
	return driver, nil
}

// gradeByData runs the answer and lets the grader replay the test on what came
// back, with a longer plan as long as the test asks for more.
func (g *Grader) gradeByData(ctx context.Context, task Task, attempt Attempt, p *planned) (Outcome, error) {
	calls := p.calls
	for round := 1; ; round++ {
		r, err := g.execute(ctx, task, attempt.Program, howCalls, calls)
		if err != nil {
			return Outcome{}, err
		}
		if reason := r.fault(); reason != "" {
			return r.outcome(ProofData, reason), nil
		}
		if r.kind != kindAnswers {
			return r.outcome(ProofData, didNotFinish), nil
		}
		length := binary.BigEndian.AppendUint32(nil, uint32(len(calls)))
		rep, err := g.procs.ask(ctx, taskRequest("check", task), length, calls, r.body)
		if err == nil {
			err = rep.failure("check " + task.ID)
		}
		switch {
		case err != nil:
			return Outcome{}, err
		case rep.Verdict == "passed":
			return r.outcome(ProofData, ""), nil
		case rep.Verdict == "more" && round < MaxRounds:
			calls = rep.blob
		case rep.Verdict == "failed" && rep.Reason != "":
			return r.outcome(ProofData, brief(rep.Reason)), nil
		default:
			return r.outcome(ProofData, didNotFinish), nil
		}
	}
}
