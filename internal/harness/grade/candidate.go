package grade

import (
	"bytes"
	"context"
	"crypto/rand"
	"strings"
	"unicode/utf8"

	"cupel.dev/cupel"
)

// What a run is asked for.
const (
	howCalls = "calls"
	howToken = "token"
)

// The kinds of a driver's reply; see py/driver.py.
const (
	kindAnswers  = 'A'
	kindRaised   = 'L'
	kindSyntax   = 'S'
	kindQuit     = 'Q'
	kindTooLarge = 'T'
	kindToken    = 'K'
	kindWrong    = 'W'
)

const didNotFinish = "checks did not finish"

// run is one Exec of an answer.
type run struct {
	result         cupel.Result
	stdout, stderr []byte
	kind           byte
	body           []byte
	complete       bool
}

// outcome is the Outcome that a run leads to.
func (r run) outcome(proof Proof, reason string) Outcome {
	out := Outcome{Verdict: Passed, Reason: reason, Proof: proof, Result: r.result, Stdout: r.stdout, Stderr: r.stderr}
	if reason != "" {
		out.Verdict = Failed
	}
	return out
}

// execute runs program in a clean sandbox with the driver beside it. plan is
// what how needs: the calls, or the token and the test.
func (g *Grader) execute(ctx context.Context, task Task, program, how string, plan []byte) (run, error) {
	driver, err := g.compiledDriver(ctx)
	if err != nil {
		return run{}, err
	}
	out := &splitter{boundary: make([]byte, boundaryLen), keep: g.cfg.KeepOutput}
	_, _ = rand.Read(out.boundary) // never fails
	payload := make([]byte, 0, len(driver)+len(program)+len(plan)+64)
	payload = append(payload, driver...)
	payload = append(payload, out.boundary...)
	payload = appendField(payload, how)
	payload = appendField(payload, program)
	payload = appendField(payload, plan)

	errOut := &head{keep: g.cfg.KeepOutput}
	cmd := cupel.Cmd{
		Args:   []string{g.cfg.Python, "-c", bootArg},
		Stdin:  bytes.NewReader(payload),
		Stdout: out,
		Stderr: errOut,
		Limits: cupel.Limits{Time: task.WallLimit, CPUTime: task.CPULimit},
	}
	var r run
	err = g.cfg.Candidate(task).Run(ctx, func(ctx context.Context, sb cupel.Sandbox) error {
		var err error
		r.result, err = sb.Exec(ctx, cmd)
		return err
	})
	if err != nil {
		return run{}, err
	}
	r.stdout, r.stderr = out.stdout(), errOut.data
	r.kind, r.body, r.complete = out.answer()
	return r, nil
}

// fault says why a run gave no answers to check, or "".
func (r run) fault() string {
	if reason := LimitReason(r.result.Status); reason != "" {
		return reason
	}
	if !r.complete {
		return r.unfinished()
	}
	name, message, _ := strings.Cut(string(r.body), "\x00")
	switch r.kind {
	case kindSyntax:
		return "syntax error: " + brief(message)
	case kindRaised:
		return strings.TrimSuffix("exception: "+brief(name)+": "+brief(message), ": ")
	case kindTooLarge:
		return "answer too large"
	case kindQuit:
		return didNotFinish + ": the program ended itself while loading"
	case kindWrong:
		return "wrong answer"
	case kindAnswers, kindToken:
		return ""
	}
	return didNotFinish
}

// unfinished is the reason for a run that ended without a reply.
func (r run) unfinished() string {
	switch {
	case r.result.StdoutTruncated:
		return "output limit"
	case r.result.Signal != "":
		return didNotFinish + ": killed by " + r.result.Signal
	}
	return didNotFinish
}

// LimitReason says in two words which limit a status stands for, "" if none.
func LimitReason(s cupel.Status) string {
	switch s {
	case cupel.StatusTimeLimit, cupel.StatusCPULimit:
		return "time limit"
	case cupel.StatusMemoryLimit:
		return "memory limit"
	case cupel.StatusOutputLimit:
		return "output limit"
	case cupel.StatusDiskLimit:
		return "disk limit"
	case cupel.StatusProcessLimit:
		return "process limit"
	}
	return ""
}

// brief is the first line of text that an answer wrote, made fit to show.
func brief(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	text = strings.ToValidUTF8(text, "\uFFFD")
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	if len(text) > 200 {
		cut := 200
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + "…"
	}
	return text
}
