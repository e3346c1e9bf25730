package tool

import (
	"context"
	"encoding/json"
	"strings"

	"cupel.dev/cupel/internal/wire/enclave"
)

var (
	sourceParameters = []string{"language", "code"}
	buildParameters  = []string{"files", "compile_timeout", "run_timeout"}
)

// program is one call of multi_code_executor.
type program struct {
	place         Place
	language      language
	code          []byte
	files         []entry // the source is not among them
	dir           string  // the run's own directory in scratch
	object        string
	compile, time timeout
}

// multi compiles and runs a program of any language. A toolchain that the
// image doesn't have is the program's error, in the shell's words: this
// protocol has no other way to say it.
func multi(ctx context.Context, p Place, in map[string]json.RawMessage) (Outcome, error) {
	args := read(multiTool, in, sourceParameters, buildParameters)
	name, source := args.text("language"), args.text("code")
	files := args.files("files")
	run := program{place: p, code: []byte(source), dir: unique("mce_", "/")}
	run.compile = args.timeout("compile_timeout", p.MaxTime, p.MaxTime)
	run.time = args.runTimeout("run_timeout", p)
	run.files = args.inside(run.dir, files)
	if args.err != nil {
		return Outcome{}, args.err
	}
	if name == "" || blank(source) {
		return failed(multiTool, run.code, "Invalid input")
	}
	found, ok := languages[strings.ToLower(strings.TrimSpace(name))]
	if !ok {
		return failed(multiTool, run.code, "Unsupported language: "+name)
	}
	if args.lone != nil {
		return failed(multiTool, run.code, "Execution failed: "+args.lone.encodeError("utf-8"))
	}
	run.language = found
	if strings.Contains(found.run, "{object}") {
		if run.object = objectOf(source); run.object == "" {
			return failed(multiTool, run.code, "Object name not found.")
		}
	}
	return run.do(ctx)
}

// runTimeout reads a timeout for which null and 0 mean the tool's own, as the
// protocol has it for programs that run and not for those that compile.
func (p *params) runTimeout(name string, place Place) timeout {
	if raw, there := p.in[name]; there {
		if n, _, ok := number(raw); !isNull(raw) && (!ok || n != 0) {
			return p.timeout(name, defaultTimeout, place.MaxTime)
		}
	}
	return (&params{}).timeout(name, defaultTimeout, place.MaxTime)
}

// inside makes entries of files: directories are cut off their names, so that
// all of them are in the run's own. A later one of the same name wins.
func (p *params) inside(dir string, files []named) []entry {
	var list []entry
	at := map[string]int{}
	for _, f := range files {
		name := f.name[strings.LastIndexByte(f.name, '/')+1:]
		if name == "" || name == "." || name == ".." || len(name) > 255 || strings.ContainsRune(name, 0) {
			p.refuse("files", []byte(`"`+f.name+`"`), "give names of files, of at most 255 bytes")
			return nil
		}
		e := entry{dir + name, []byte(f.content)}
		if i, again := at[name]; again {
			list[i] = e
			continue
		}
		at[name] = len(list)
		list = append(list, e)
	}
	return list
}

func (m program) do(ctx context.Context) (Outcome, error) {
	entries := append([]entry{{m.dir, nil}}, m.files...)
	source := entry{m.dir + m.language.main, m.code}
	if m.language.setup != "" {
		if err := m.place.put(ctx, entries...); err != nil {
			return Outcome{}, err
		}
		entries = nil
		r, err := m.exec(ctx, m.compile, m.language.setup)
		if err != nil || r.exitCode() != 0 {
			return m.unbuilt(r, err, "dotnet project initialization failed")
		}
	}
	if err := m.place.put(ctx, append(entries, source)...); err != nil {
		return Outcome{}, err
	}
	var compiled string
	if m.language.build != "" {
		r, err := m.exec(ctx, m.compile, m.language.build)
		if err != nil || r.exitCode() != 0 {
			return m.unbuilt(r, err, "Compilation failed")
		}
		compiled = r.stdout
	}
	r, err := m.exec(ctx, m.time, m.language.run)
	if err != nil {
		return Outcome{}, err
	}
	return r.outcome(multiTool, m.code, r.status(), joined(compiled, r.stdout), r.complaint()), nil
}

func (m program) exec(ctx context.Context, limit timeout, line string) (ran, error) {
	dir := scratch + "/" + strings.TrimSuffix(m.dir, "/")
	args := m.language.line(dir, line, m.place.interpreter(), m.object)
	return m.place.exec(ctx, limit, dir, args...)
}

// unbuilt is a program that never ran. The protocol calls that an error even
// where the compiler ran out of time.
func (m program) unbuilt(r ran, err error, otherwise string) (Outcome, error) {
	if err != nil {
		return Outcome{}, err
	}
	complaint := r.complaint()
	if complaint == "" {
		complaint = otherwise
	}
	return r.outcome(multiTool, m.code, enclave.Error, r.stdout, complaint), nil
}

// joined puts two outputs below each other, where there are two.
func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "\n" + b
}
