package remote

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/wire/enclave"
)

// maxStdin bounds a program's stdin, which is sent before it starts.
const maxStdin = 256 << 20

// grace is what the script's own work may take, and how much later the server
// ends what the script could not.
const grace = 15 * time.Second

// Exec runs cmd to its end. When ctx ends first, the sandbox is deleted: calls
// after that are kind Closed.
func (s *Sandbox) Exec(ctx context.Context, cmd cupel.Cmd) (cupel.Result, error) {
	limits, err := s.check(cmd)
	if err != nil {
		return cupel.Result{}, err
	}
	ctx, done, err := s.begin(ctx, "exec")
	if err != nil {
		return cupel.Result{}, err
	}
	defer done()
	stdin, err := readStdin(ctx, cmd.Stdin)
	if err != nil {
		return cupel.Result{}, err
	}
	r := &run{sandbox: s, call: newCall(), limits: limits, cmd: cmd, startup: s.startup()}
	res, err := r.do(ctx, stdin)
	if err != nil {
		s.abandon(err)
		if s.isClosed() && cupel.KindOf(err) == cupel.NotFound {
			err = errClosed("exec")
		}
	}
	return res, err
}

func (s *Sandbox) isClosed() bool { return s.life.Err() != nil }

// check refuses what can't be honoured before anything is sent.
func (s *Sandbox) check(cmd cupel.Cmd) (cupel.Limits, error) {
	if err := cmd.Validate(); err != nil {
		return cupel.Limits{}, err
	}
	limits, err := s.spec.Limits.Tighten(cmd.Limits)
	if err != nil {
		return limits, err
	}
	of := s.spec.Limits
	switch {
	case cmd.User != "" && !isRoot(cmd.User):
		err = unsupported("user "+cmd.User, "use user 0")
	case limits.Memory != of.Memory:
		err = unsupported("a limit on memory for one program", "set the sandbox's own")
	case limits.CPUs != of.CPUs:
		err = unsupported("a limit on cores for one program", "set the sandbox's own")
	case limits.Processes != of.Processes:
		err = unsupported("a limit on processes", "leave it out; the server sets its own")
	case limits.Disk != of.Disk || limits.Inodes != of.Inodes:
		err = unsupported("a limit on disk for one program", "leave it out; the server sets its own")
	default:
		err = checkFileSize(limits.FileSize)
	}
	return limits, err
}

// readStdin reads all of it, until ctx ends.
func readStdin(ctx context.Context, r io.Reader) ([]byte, error) {
	if r == nil {
		return nil, nil
	}
	type outcome struct {
		data []byte
		err  error
	}
	read := make(chan outcome, 1)
	go func() {
		data, err := io.ReadAll(io.LimitReader(r, maxStdin+1))
		read <- outcome{data, err}
	}()
	select {
	case o := <-read:
		if len(o.data) > maxStdin {
			return nil, cupel.Errorf(cupel.Unsupported, "read stdin", "it goes on after %d MiB", maxStdin>>20).
				WithHint("the remote engine sends stdin whole; put large input as a file")
		}
		// What fails is the caller's reader: the program sees an end.
		return o.data, nil
	case <-ctx.Done():
		return nil, canceled(ctx, "read stdin")
	}
}

// run is one Exec.
type run struct {
	call
	sandbox *Sandbox
	cmd     cupel.Cmd
	limits  cupel.Limits
	startup cupel.Startup
}

// do sends the program, runs it and delivers what it wrote.
func (r *run) do(ctx context.Context, stdin []byte) (cupel.Result, error) {
	command, err := r.send(ctx, stdin)
	if err != nil {
		return cupel.Result{}, err
	}
	limit := (r.limits.Time+time.Second-1)/time.Second*time.Second + grace
	began := time.Now()
	server := r.sandbox.engine.server
	answer, err := server.execute(ctx, "exec", r.sandbox.id, command, limit)
	took := time.Since(began)
	if err != nil {
		return cupel.Result{Usage: cupel.Usage{Wall: took}, Startup: r.startup, Isolation: r.sandbox.Isolation()}, err
	}
	f, err := parseFrame(text(answer), r.token)
	if errors.Is(err, errNoFrame) {
		return r.withoutFrame(ctx, answer, took)
	}
	if what, failed := f["fail"]; failed {
		return cupel.Result{}, r.notBegun(what)
	}
	return r.result(ctx, f, answer, took)
}

// inlineArgs is how much of a program travels in the script itself: the kernel
// takes no longer argument than 128 KiB.
const inlineArgs = 120 << 10

// send returns the command that runs the program, after what doesn't fit into
// it was put into the call's directory.
func (r *run) send(ctx context.Context, stdin []byte) ([]string, error) {
	settings := runSettings(r.cmd, r.sandbox.spec, r.limits)
	inline := r.command(settings+"mkdir -m 700 \"$d\" || fail mkdir\n"+stdinScript(stdin), runScript)
	if len(inline[2]) <= inlineArgs && utf8.ValidString(settings) {
		return inline, nil
	}
	files := map[string][]byte{"settings": []byte(settings), "in": stdin}
	if err := r.sandbox.upload(ctx, r.dir, files); err != nil {
		return nil, err
	}
	return r.command("[ -r \"$d/settings\" ] || fail upload\n. \"$d/settings\"\n", runScript), nil
}

// stdinScript writes a short stdin.
func stdinScript(stdin []byte) string {
	switch {
	case len(stdin) == 0:
		return ""
	case plain(stdin):
		return "printf %s " + quote(string(stdin)) + " >\"$d/in\"\n"
	}
	return "printf %s " + base64.StdEncoding.EncodeToString(stdin) + " | base64 -d >\"$d/in\" || fail base64\n"
}

// plain says that a shell's word can hold data.
func plain(data []byte) bool {
	return !bytes.ContainsFunc(data, func(c rune) bool { return c < ' ' && c != '\n' && c != '\t' || c >= 0x7f })
}

// text is a tool's output.
func text(answer enclave.ToolResult) string {
	s, _ := answer.Output.(string)
	return s
}

// notBegun is for a script that could not start the program.
func (r *run) notBegun(what string) error {
	if what == "dir" {
		dir := r.cmd.Dir
		if dir == "" {
			dir = r.sandbox.spec.Dir
		}
		return cupel.Errorf(cupel.NotFound, "start the program", "working directory %s can't be entered", dir)
	}
	return cupel.Errorf(cupel.Unsupported, "start the program", "the sandbox can't run the script that runs programs: %s failed", what).
		WithHint("use an image with coreutils and a writable /tmp, such as " + DefaultImage)
}

// ended is how the original says that SIGKILL ended a command.
var ended = regexp.MustCompile(`exit code 137$`)

// withoutFrame is for a script that did not come to its end: something ended
// it together with the program, or there was no script at all.
func (r *run) withoutFrame(ctx context.Context, answer enclave.ToolResult, took time.Duration) (cupel.Result, error) {
	why := ""
	if answer.Error != nil {
		why = *answer.Error
	}
	if strings.Contains(why+text(answer), "/bin/sh") && strings.Contains(why+text(answer), "exec") {
		return cupel.Result{}, cupel.Errorf(cupel.Unsupported, "exec", "the image has no shell: %s", clip(why+text(answer)))
	}
	// Whatever is left is ended; that this works shows that the sandbox does.
	tidy, err := r.sandbox.script(ctx, "exec", r.call, "", tidyScript)
	if err != nil {
		return cupel.Result{}, cupel.Errorf(cupel.Unavailable, "exec", "the sandbox gave no result (%s) and does not answer: %w", clip(why), err).
			WithHint("look into the server's log")
	}
	res := r.blank(took)
	oom := r.sandbox.outOfMemory(tidy.number("oom", 1))
	switch server, ours := serverSays(answer); {
	case ours && server.ended():
		server.apply(&res)
	case answer.Status == enclave.Timeout:
		res.Status, res.LimitsHit = cupel.StatusTimeLimit, []cupel.LimitName{cupel.LimitTime}
	case oom:
		res.Status, res.LimitsHit = cupel.StatusMemoryLimit, []cupel.LimitName{cupel.LimitMemory}
	case !ours && ended.MatchString(why):
		res.Status, res.Signal = cupel.StatusSignaled, "SIGKILL"
	default:
		return cupel.Result{}, cupel.Errorf(cupel.Internal, "exec", "the sandbox gave no result: %s", clip(why))
	}
	return res, nil
}

// blank is a Result with what holds of all.
func (r *run) blank(took time.Duration) cupel.Result {
	return cupel.Result{
		ExitCode: -1, Startup: r.startup, Isolation: r.sandbox.Isolation(),
		Usage: cupel.Usage{Wall: took, Unobserved: []cupel.LimitName{cupel.LimitFiles, cupel.LimitProcesses, cupel.LimitDisk, cupel.LimitInodes}},
	}
}

// script runs a short script of ours.
func (s *Sandbox) script(ctx context.Context, op string, c call, settings, script string) (frame, error) {
	answer, err := s.engine.server.execute(ctx, op, s.id, c.command(settings, script), s.engine.server.timeout)
	if err != nil {
		return nil, err
	}
	f, err := parseFrame(text(answer), c.token)
	if err != nil {
		why := ""
		if answer.Error != nil {
			why = *answer.Error
		}
		return nil, cupel.Errorf(cupel.Internal, op, "the sandbox's shell gave no result: %s", clip(why))
	}
	return f, nil
}
