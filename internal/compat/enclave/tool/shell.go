package tool

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
)

// longestArgument is Linux's bound on one argument, the NUL at its end included.
const longestArgument = 128 << 10

var commandParameter = []string{"command"}

// shell runs a line in a shell, or a list of arguments without one.
func shell(ctx context.Context, p Place, in map[string]json.RawMessage) (Outcome, error) {
	args := read(shellTool, in, commandParameter, timeoutParameters)
	line, argv, isList := args.words("command")
	limit := args.timeout("timeout", defaultTimeout, p.MaxTime)
	if isList && len(argv) > 0 && argv[0] == "" {
		args.refuse("command[0]", []byte(`""`), "name the program to run")
	}
	for i, arg := range argv {
		if len(arg) >= longestArgument {
			args.refuse("command["+strconv.Itoa(i)+"]", []byte(arg), "an argument has at most 131071 bytes: write it to a file")
		}
	}
	if args.err != nil {
		return Outcome{}, args.err
	}
	code := []byte(line)
	if isList {
		code = []byte(strings.Join(argv, " "))
	} else {
		argv = []string{"sh", "-c", line}
	}
	switch {
	case len(argv) == 0, blank(line) && !isList:
		return failed(shellTool, code, "No command provided")
	case args.lone != nil:
		return failed(shellTool, code, "Execution failed: "+args.lone.encodeError("utf-8"))
	}
	if !isList && len(line) >= longestArgument {
		name := unique("exec_script_", ".sh")
		if err := p.put(ctx, entry{name, code}); err != nil {
			return Outcome{}, err
		}
		argv = []string{"sh", scratch + "/" + name}
	}
	r, err := p.exec(ctx, limit, p.Dir, argv...)
	if err != nil {
		return Outcome{}, err
	}
	complaint := r.stderr
	switch {
	case complaint != "" || r.exitCode() == 0:
	case r.timedOut():
		complaint = r.timeoutText()
	default:
		complaint = "Command failed with exit code " + strconv.Itoa(r.exitCode())
	}
	return r.outcome(shellTool, code, r.status(), r.stdout, complaint), nil
}
