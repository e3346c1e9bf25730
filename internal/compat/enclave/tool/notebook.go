package tool

import (
	"context"
	"encoding/json"
	"strings"

	"cupel.dev/cupel/internal/wire/enclave"
)

// notebook runs a cell in the sandbox's kernel.
func notebook(ctx context.Context, p Place, in map[string]json.RawMessage) (Outcome, error) {
	args := read(notebookTool, in, codeParameter, timeoutParameters)
	source := args.text("code")
	limit := args.runTimeout("timeout", p)
	if args.err != nil {
		return Outcome{}, args.err
	}
	code := []byte(source)
	switch {
	case blank(source):
		return failed(notebookTool, code, "No code provided")
	case args.lone != nil:
		return failed(notebookTool, code, "Execution failed: "+args.lone.encodeError("utf-8"))
	case p.Kernel == nil:
		return failed(notebookTool, code, "Execution failed: Jupyter kernel is not ready")
	}
	cell, err := p.Kernel.Execute(ctx, source, limit.limit)
	if err != nil {
		return Outcome{}, err
	}
	return cell.outcome(code, limit), nil
}

// outcome puts a cell into the protocol's words: all is output when it went
// well, and all is error when it did not.
func (c Cell) outcome(code []byte, limit timeout) Outcome {
	text := c.text(limit)
	status, output, complaint := enclave.Success, text, ""
	if c.TimedOut {
		status = enclave.Timeout
	} else if c.Error != "" || c.Died != "" {
		status = enclave.Error
	}
	if status != enclave.Success {
		output, complaint = "", text
	}
	res := result(notebookTool, status, output, complaint)
	wall := c.Run.Usage.Wall.Seconds()
	res.ExecutionTime = &wall
	res.Metadata["cupel"] = about(c.Run)
	if len(c.Rich) > 0 {
		res.Metadata["rich"] = c.Rich
	}
	return Outcome{Result: res, Run: c.Run, Code: code}
}

// lost is what a caller reads of a kernel that is gone.
const lost = "the kernel was restarted and its state is lost"

func (c Cell) text(limit timeout) string {
	var b strings.Builder
	b.WriteString(c.Text)
	if c.Result != "" && !c.TimedOut {
		b.WriteString("\nResult: " + c.Result)
	}
	switch {
	case c.TimedOut && c.Died != "":
		b.WriteString("\nExecution timed out after " + limit.given + " seconds; it did not stop when interrupted: " + lost)
	case c.TimedOut:
		b.WriteString("\nExecution timed out after " + limit.given + " seconds")
	case c.Died != "":
		b.WriteString("\nThe kernel died (" + c.Died + "): " + lost)
	default:
		b.WriteString(c.Error)
	}
	return b.String()
}
