package tool

import (
	"context"
	"encoding/json"
	"time"
)

// defaultTimeout is a tool's own.
const defaultTimeout = 30 * time.Second

// scratch is where tools put what they run.
const scratch = "/tmp"

// python runs a script. Its file stays, as the protocol's server leaves it: a
// program may want to read its own source after its end, in the background.
func python(ctx context.Context, p Place, in map[string]json.RawMessage) (Outcome, error) {
	args := read(pythonTool, in, codeParameter, timeoutParameters)
	source := args.text("code")
	limit := args.timeout("timeout", defaultTimeout, p.MaxTime)
	if args.err != nil {
		return Outcome{}, args.err
	}
	code := []byte(source)
	switch {
	case blank(source):
		return failed(pythonTool, code, "No code provided")
	case args.lone != nil:
		return failed(pythonTool, code, "Execution failed: "+args.lone.encodeError("utf-8"))
	}
	name := unique("exec_script_", ".py")
	if err := p.put(ctx, entry{name, code}); err != nil {
		return Outcome{}, err
	}
	r, err := p.exec(ctx, limit, p.Dir, p.interpreter(), scratch+"/"+name)
	if err != nil {
		return Outcome{}, err
	}
	return r.outcome(pythonTool, code, r.status(), r.stdout, r.complaint()), nil
}

var (
	codeParameter     = []string{"code"}
	timeoutParameters = []string{"timeout"}
)

func (p Place) interpreter() string {
	if p.Python == "" {
		return "python"
	}
	return p.Python
}

// complaint is the error of a program: what it wrote to stderr, else why it
// had to end.
func (r ran) complaint() string {
	switch {
	case r.stderr != "":
		return r.stderr
	case r.timedOut():
		return r.timeoutText()
	}
	return r.limitText()
}
