package tool

import (
	"context"
	"encoding/json"
	"path"
	"strings"

	"cupel.dev/cupel/internal/wire/enclave"
)

var (
	operationParameters = []string{"operation", "file_path"}
	contentParameters   = []string{"content", "encoding"}
)

// fileCall is one call of file_operation.
type fileCall struct {
	place   Place
	path    string
	content *string
	code    []byte
	lone    *loneSurrogate
	// encoding is how content is written; reading never decodes but as UTF-8.
	encoding string
}

// file does what the protocol's server does with programs of the sandbox, so
// that links and rights mean what they mean there; the path is an argument,
// never part of a line that a shell reads.
func file(ctx context.Context, p Place, in map[string]json.RawMessage) (Outcome, error) {
	args := read(fileTool, in, operationParameters, contentParameters)
	operation, name := args.bare("operation"), args.bare("file_path")
	misspelt := args.lone // in the path: no file has such a name
	args.lone = nil
	content, given := args.optional("content")
	encoding := "utf-8"
	if _, there := in["encoding"]; there {
		encoding = args.text("encoding")
	}
	if args.err == nil && len(name) >= longestArgument {
		args.refuse("file_path", []byte(name), "a path has at most 4095 bytes")
	}
	if args.err != nil {
		return Outcome{}, args.err
	}
	call := fileCall{place: p, path: name, code: []byte(operation + " " + name), encoding: encoding, lone: args.lone}
	if given {
		call.content = &content
	}
	switch {
	case blank(name):
		return call.fail("No file path provided")
	case misspelt != nil:
		return call.fail("Operation failed: " + misspelt.encodeError("utf-8"))
	}
	return call.do(ctx, operation)
}

func (c fileCall) do(ctx context.Context, operation string) (Outcome, error) {
	switch operation {
	case "read":
		name := c.path
		if name == "-" {
			name = "./-" // cat's word for its own input
		}
		return c.show(ctx, "Failed to read file: ", "cat", "--", name)
	case "list":
		return c.show(ctx, "Failed to list directory: ", "ls", "-la", "--", c.path)
	case "delete":
		return c.delete(ctx)
	case "exists":
		return c.exists(ctx)
	case "write":
		if c.content == nil {
			return c.fail("Content is required for write operation")
		}
		return c.write(ctx, *c.content)
	case "create":
		if c.content == nil {
			return c.write(ctx, "")
		}
		return c.write(ctx, *c.content)
	}
	return c.fail("Unknown operation: " + operation)
}

func (c fileCall) fail(err string) (Outcome, error) { return failed(fileTool, c.code, err) }

func (c fileCall) exec(ctx context.Context, args ...string) (ran, error) {
	return c.place.exec(ctx, seconds(c.place.MaxTime), c.place.Dir, args...)
}

func (c fileCall) outcome(r ran, status enclave.ExecutionStatus, output, err string) (Outcome, error) {
	return r.outcome(fileTool, c.code, status, output, err), nil
}

// fault is a program's outcome that went wrong: the error is what it wrote to
// stderr, else otherwise.
func (c fileCall) fault(r ran, otherwise string) (Outcome, error) {
	err := r.complaint()
	if err == "" {
		err = otherwise
	}
	status := r.status()
	if status == enclave.Success {
		status = enclave.Error
	}
	return c.outcome(r, status, "", err)
}

// show runs a program whose output is the answer.
func (c fileCall) show(ctx context.Context, otherwise string, args ...string) (Outcome, error) {
	r, err := c.exec(ctx, args...)
	switch {
	case err != nil:
		return Outcome{}, err
	case r.status() != enclave.Success:
		return c.fault(r, otherwise+c.path)
	}
	return c.outcome(r, enclave.Success, r.stdout, "")
}

func (c fileCall) delete(ctx context.Context) (Outcome, error) {
	r, err := c.exec(ctx, "rm", "-rf", "--", c.path)
	switch {
	case err != nil:
		return Outcome{}, err
	case r.status() != enclave.Success:
		return c.fault(r, "Failed to delete: "+c.path)
	}
	return c.outcome(r, enclave.Success, "Successfully deleted: "+c.path, "")
}

func (c fileCall) exists(ctx context.Context) (Outcome, error) {
	r, err := c.exec(ctx, "test", "-e", c.path)
	switch {
	case err != nil:
		return Outcome{}, err
	case r.ExitCode == 0:
		return c.outcome(r, enclave.Success, "exists", "")
	case r.ExitCode == 1:
		return c.outcome(r, enclave.Success, "does not exist", "")
	}
	return c.fault(r, "Exists check failed: "+c.path)
}

// copyIn copies the upload $2 to $3 and removes it; $1 is $3's directory or
// empty. The upload may belong to a user who alone can remove it.
const copyIn = `if [ -n "$1" ]; then mkdir -p -- "$1" 2>/dev/null; fi
if [ -d "$3" ]; then echo "cp: cannot overwrite directory '$3'" >&2; false; else cp -- "$2" "$3"; fi
s=$?
rm -f -- "$2" 2>/dev/null || : >"$2"
exit $s`

// write goes by a file in /tmp, as the protocol's server does: the target is
// written by a program of the sandbox, with its user's rights.
func (c fileCall) write(ctx context.Context, content string) (Outcome, error) {
	data, err := encode(content, c.encoding)
	switch {
	case err != nil:
		return c.fail("Write failed: " + err.Error())
	case c.lone != nil:
		return c.fail("Write failed: " + c.lone.encodeError(strings.ToLower(c.encoding)))
	}
	upload := unique("file_op_", "")
	if err := c.place.put(ctx, entry{upload, data}); err != nil {
		return Outcome{}, err
	}
	r, err := c.exec(ctx, "sh", "-c", copyIn, "sh", directory(c.path), path.Join(scratch, upload), c.path)
	switch {
	case err != nil:
		return Outcome{}, err
	case r.status() != enclave.Success:
		complaint := r.complaint()
		if complaint == "" {
			complaint = "Unknown error"
		}
		return c.outcome(r, r.status(), "", "Failed to copy file to target location: "+complaint)
	}
	return c.outcome(r, enclave.Success, "File written successfully: "+c.path, "")
}

// directory is what comes before a path's last slash.
func directory(name string) string {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return ""
	}
	if head := strings.TrimRight(name[:i+1], "/"); head != "" {
		return head
	}
	return name[:i+1]
}
