package server

import (
	"bytes"
	"context"
	"io"
	"strings"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/api"
	"cupel.dev/cupel/internal/lang"
)

// program is what one request runs: a program of a language, or a command.
type program struct {
	lang.Program
	// command is set instead of Language and Source.
	command []string
	// user is a command's own.
	user string
	// putsFiles says that there is something to write first.
	putsFiles bool
}

// newProgram reads a run request but for its limits.
func newProgram(req *api.RunRequest) (*program, error) {
	p := &program{putsFiles: len(req.Files) > 0}
	stdin, err := eitherOf("stdin", req.Stdin, req.StdinBase64)
	if err != nil {
		return nil, err
	}
	p.Stdin = bytes.NewReader(stdin)
	p.Env, p.Dir = req.Env, req.Dir
	p.Files = make(map[string][]byte, len(req.Files))
	for name, content := range req.Files {
		p.Files[name] = content
	}
	source, err := eitherOf("source", req.Source, req.SourceBase64)
	if err != nil {
		return nil, err
	}
	if req.Language == "" {
		return p, p.setCommand(req, source)
	}
	if p.Language, err = lang.Lookup(req.Language); err != nil {
		return nil, err
	}
	p.Args = req.Args
	// Without a source the program may be among the files; else it is empty.
	if _, among := p.Files[p.Language.File]; source != nil || !among {
		p.Source = append([]byte{}, source...)
	}
	return p, p.validate()
}

func (p *program) setCommand(req *api.RunRequest, source []byte) error {
	switch {
	case source != nil:
		return cupel.Invalidf("language", "", "name the source's language; known: "+strings.Join(lang.Names(), ", "))
	case len(req.Args) == 0:
		return cupel.Invalidf("language", "", "name the source's language (known: "+strings.Join(lang.Names(), ", ")+"), or give a command as args")
	case req.CompileTime != 0:
		return cupel.Invalidf("compile_time", req.CompileTime.String(), "a command has no compile step; leave it out")
	}
	p.command = req.Args
	return p.validate()
}

// validate checks what every engine refuses, before anything is made.
func (p *program) validate() error {
	args := p.command
	if args == nil {
		args = append(append([]string{}, p.Language.Run...), p.Args...)
	}
	return cupel.Cmd{Args: args, Env: p.Env, Dir: p.Dir, User: p.user}.Validate()
}

// eitherOf returns what a field and its base64 form say, nil if neither is
// there.
func eitherOf(name, text string, exact []byte) ([]byte, error) {
	switch {
	case text != "" && exact != nil:
		return nil, cupel.Invalidf(name+"_base64", string(exact), "give this or "+name+", not both")
	case exact != nil:
		return exact, nil
	case text != "":
		return []byte(text), nil
	}
	return nil, nil
}

// setCompileTime bounds the compile step: as asked, or the usual where the
// bound is not lower. who has the bound, as in "the pool allows".
func (p *program) setCompileTime(asked api.Duration, bound cupel.Limits, who string) error {
	d := time.Duration(asked)
	if err := (cupel.Limits{Time: d}).Validate(); err != nil {
		return cupel.Invalidf("compile_time", asked.String(), "give a value from 1ms to 168h")
	}
	most := bound.Time
	least(&most, bound.CPUTime)
	if most != 0 && d > most {
		return cupel.Invalidf("compile_time", asked.String(), who+" at most "+most.String())
	}
	if d == 0 {
		d = lang.DefaultCompileTime
		least(&d, most)
	}
	p.CompileLimits = cupel.Limits{Time: d, CPUTime: d}
	return nil
}

// run runs the program in sb, whose output goes to stdout and stderr.
func (p *program) run(ctx context.Context, sb cupel.Sandbox, stdout, stderr io.Writer) (lang.Outcome, error) {
	p.Stdout, p.Stderr = stdout, stderr
	if p.command == nil {
		return lang.Run(ctx, sb, p.Program)
	}
	var out lang.Outcome
	if p.putsFiles {
		// Without a language, building is writing the files.
		if _, err := lang.Build(ctx, sb, lang.Program{Files: p.Files, Dir: p.Dir}); err != nil {
			return out, err
		}
	}
	res, err := sb.Exec(ctx, cupel.Cmd{
		Args: p.command, Env: p.Env, Dir: p.Dir, User: p.user,
		Stdin: p.Stdin, Stdout: stdout, Stderr: stderr, Limits: p.Limits,
	})
	out.Result = res
	return out, err
}

// tool and code are what the audit line says of the program.
func (p *program) tool() string {
	if p.command == nil {
		return p.Language.Name
	}
	return "command"
}

func (p *program) code() []byte {
	if p.command == nil {
		return p.Source
	}
	return []byte(strings.Join(p.command, "\x00"))
}
