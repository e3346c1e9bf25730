package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/lang"
)

// maxProgram is the largest source file that cupel run reads.
const maxProgram = 64 * cupel.MiB

// newJob reads what the options name, and refuses what makes no sense.
func (a *app) newJob(opts runOptions) (*job, error) {
	j := &job{spec: opts.spec}
	for _, step := range []func(*app, runOptions) error{
		j.setSpec, j.setProgram, j.setStdin,
	} {
		if err := step(a, opts); err != nil {
			j.close()
			return nil, err
		}
	}
	return j, nil
}

func (j *job) setStdin(a *app, opts runOptions) error { return a.openStdin(opts.stdin, j) }

func (j *job) setSpec(a *app, opts runOptions) error {
	for _, m := range opts.mounts {
		mount, err := parseMount(m)
		if err != nil {
			return err
		}
		j.spec.Mounts = append(j.spec.Mounts, mount)
	}
	for _, kv := range opts.env {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" {
			return cupel.Invalidf("--env", kv, "write NAME=VALUE")
		}
		if j.spec.Env == nil {
			j.spec.Env = map[string]string{}
		}
		j.spec.Env[k] = v
	}
	// No flag bounds single files: the disk does.
	j.spec.Limits.FileSize = max(j.spec.Limits.FileSize, j.spec.Limits.Disk)
	image, err := absoluteImage(opts.spec.Image)
	if err != nil {
		return err
	}
	j.spec.Image = image
	j.spec, err = j.spec.Normalize()
	if err == nil && j.spec.Network == cupel.NetworkHost {
		a.notef("the program is given this machine's network")
	}
	return err
}

// setProgram finds out what is to be run.
func (j *job) setProgram(a *app, opts runOptions) error {
	j.program.Limits = j.spec.Limits
	switch {
	case opts.target == "" && len(opts.args) == 0:
		return cupel.Errorf(cupel.Invalid, "", "there is nothing to run").
			WithHint("give a FILE, - for a program on stdin, or -- and a command; see cupel run --help")
	case opts.target == "" && opts.language != "":
		return cupel.Invalidf("--lang", opts.language, "a command after -- has no language; leave it out")
	case opts.target == "":
		j.command = opts.args
		return nil
	}
	source, language, err := a.readProgram(opts)
	if err != nil {
		return err
	}
	j.program.Language, j.program.Source = language, source
	j.program.Args, j.program.Dir = opts.args, j.spec.Dir
	j.program.CompileLimits = cupel.Limits{Time: opts.compileTime, CPUTime: opts.compileTime}
	j.spec.Limits = j.program.SpecLimits()
	return nil
}

// readProgram reads the source and decides on its language.
func (a *app) readProgram(opts runOptions) ([]byte, lang.Language, error) {
	language, err := chooseLanguage(opts)
	if err != nil {
		return nil, language, err
	}
	in := a.stdin
	if opts.target != "-" {
		f, err := os.Open(opts.target)
		if err != nil {
			return nil, language, fileError("file", opts.target, err)
		}
		defer func() { _ = f.Close() }()
		in = f
	} else if opts.stdin == "-" {
		return nil, language, cupel.Invalidf("--stdin", "-", "the program itself is read from stdin; give one of them a file")
	}
	source, err := io.ReadAll(io.LimitReader(in, int64(maxProgram)+1))
	switch {
	case err != nil:
		return nil, language, fileError("file", opts.target, err)
	case len(source) > int(maxProgram):
		return nil, language, cupel.Invalidf("file", opts.target, fmt.Sprintf("a program is at most %v", maxProgram))
	case source == nil:
		source = []byte{}
	}
	return source, language, nil
}

func chooseLanguage(opts runOptions) (lang.Language, error) {
	known := strings.Join(lang.Names(), ", ")
	switch {
	case opts.language != "":
		return lang.Lookup(opts.language)
	case opts.target == "-":
		return lang.Language{}, cupel.Errorf(cupel.Invalid, "", "--lang is needed for a program on stdin; known: %s", known)
	}
	language, ok := lang.BySuffix(opts.target)
	if ok {
		return language, nil
	}
	err := cupel.Invalidf("file", opts.target, "its suffix names no language; name it with --lang, one of "+known)
	if _, missing := os.Stat(opts.target); missing != nil {
		return language, fileError("file", opts.target, missing)
	}
	return language, err
}

// parseMount reads SRC:DST[:ro|rw]. SRC may hold colons and be relative; DST
// starts at the last ":/".
func parseMount(s string) (cupel.Mount, error) {
	const fix = "write SRC:DST or SRC:DST:rw, DST an absolute path inside"
	rest, writable := strings.CutSuffix(s, ":rw")
	rest = strings.TrimSuffix(rest, ":ro")
	i := strings.LastIndex(rest, ":/")
	if i <= 0 {
		return cupel.Mount{}, cupel.Invalidf("--mount", s, fix)
	}
	target := filepath.Clean(rest[i+1:])
	if strings.Contains(target, ":") {
		return cupel.Mount{}, cupel.Invalidf("--mount", s, fix)
	}
	source, err := filepath.Abs(rest[:i])
	if err == nil {
		_, err = os.Stat(source)
	}
	if err != nil {
		return cupel.Mount{}, fileError("--mount", rest[:i], err)
	}
	return cupel.Mount{Source: source, Target: target, Writable: writable}, nil
}

// absoluteImage makes the path in dir:PATH and tar:PATH absolute. What other
// images there are is the engine's to say.
func absoluteImage(image string) (string, error) {
	for _, scheme := range []string{"dir:", "tar:"} {
		if p, ok := strings.CutPrefix(image, scheme); ok && p != "" {
			abs, err := filepath.Abs(p)
			if err == nil {
				_, err = os.Stat(abs)
			}
			if err != nil {
				return "", fileError("--image", image, err)
			}
			return scheme + abs, nil
		}
	}
	return image, nil
}
