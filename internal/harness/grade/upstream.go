package grade

import (
	"archive/tar"
	"bytes"
	"context"
	"path"
	"strconv"

	"cupel.dev/cupel"
)

// upstreamFile is where the assembled program goes, inside the sandbox.
const upstreamFile = "/tmp/cupel-upstream/main.py"

// gradeUpstream is EvalScope's rule: program and test in one file, run as
// __main__, passed when it exits with 0.
func (g *Grader) gradeUpstream(ctx context.Context, task Task, attempt Attempt) (Outcome, error) {
	text := attempt.Program + "\n" + task.Test + "\n"
	if task.Form == FormCheck {
		text += "check(" + task.EntryPoint + ")"
	}
	var archive bytes.Buffer
	tw := tar.NewWriter(&archive)
	// Writes to a buffer don't fail.
	_ = tw.WriteHeader(&tar.Header{Name: path.Base(upstreamFile), Mode: 0o644, Size: int64(len(text))})
	_, _ = tw.Write([]byte(text))
	_ = tw.Close()

	out, errOut := &head{keep: g.cfg.KeepOutput}, &head{keep: g.cfg.KeepOutput}
	var r run
	err := g.cfg.Candidate(task).Run(ctx, func(ctx context.Context, sb cupel.Sandbox) error {
		if err := sb.Put(ctx, path.Dir(upstreamFile), &archive); err != nil {
			return err
		}
		var err error
		r.result, err = sb.Exec(ctx, cupel.Cmd{
			Args:   []string{g.cfg.Python, upstreamFile},
			Stdout: out,
			Stderr: errOut,
			Limits: cupel.Limits{Time: task.WallLimit, CPUTime: task.CPULimit},
		})
		return err
	})
	if err != nil {
		return Outcome{}, err
	}
	r.stdout, r.stderr = out.data, errOut.data
	return r.outcome(ProofExitStatus, exitReason(r.result)), nil
}

func exitReason(res cupel.Result) string {
	if reason := LimitReason(res.Status); reason != "" {
		return reason
	}
	switch {
	case res.Status == cupel.StatusOK:
		return ""
	case res.Signal != "":
		return "killed by " + res.Signal
	}
	return "exit status " + strconv.Itoa(res.ExitCode)
}
