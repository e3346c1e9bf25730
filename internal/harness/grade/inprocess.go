package grade

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
)

// gradeInProcess judges a task whose test only makes sense beside the answer.
// A pass needs the token that is written after the last check, and needs not
// to repeat when that check is turned round.
func (g *Grader) gradeInProcess(ctx context.Context, task Task, attempt Attempt, p *planned) (Outcome, error) {
	r, passed, err := g.withToken(ctx, task, attempt, task.Test)
	if err != nil || !passed {
		return r, err
	}
	if p.inverted == "" {
		r.Verdict, r.Reason = Failed, "the test checks nothing"
		return r, nil
	}
	_, again, err := g.withToken(ctx, task, attempt, p.inverted)
	if err != nil {
		return Outcome{}, err
	}
	if again {
		r.Verdict, r.Reason = Failed, "passes a check and its opposite"
	}
	return r, nil
}

func (g *Grader) withToken(ctx context.Context, task Task, attempt Attempt, test string) (Outcome, bool, error) {
	token := make([]byte, 32)
	_, _ = rand.Read(token) // never fails
	body := task.Setup + "\n" + test + "\n"
	if task.Form == FormCheck {
		// The set-up is the prompt, which the program stands on already.
		body = test + "\n\ncheck(" + task.EntryPoint + ")\n"
	}
	plan := appendField(nil, token)
	plan = appendField(plan, body)
	r, err := g.execute(ctx, task, attempt.Program, howToken, plan)
	if err != nil {
		return Outcome{}, false, err
	}
	reason := r.fault()
	if reason == "" && (r.kind != kindToken || subtle.ConstantTimeCompare(r.body, token) != 1) {
		reason = didNotFinish
	}
	return r.outcome(ProofInProcess, reason), reason == "", nil
}
