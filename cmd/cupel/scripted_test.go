package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/engine/fake"
)

// openScripted opens the fake engine of the scripts. Its programs are verbs:
//
//	status NAME [EXIT]   ends with that status
//	signal NAME          is ended by a signal
//	hit LIMIT            exits 0 having run into a limit
//	bytes                writes what is not UTF-8
//	cut                  has its output truncated
//	spec                 prints the sandbox's Spec as JSON
//	cat                  copies stdin to stdout
//	both                 writes to stdout and stderr
//	wait FILE            makes FILE on the host, then never ends
//	yes                  writes until nobody reads
//	fail KIND            is a failure of the machine
//
// A command of package lang prints its arguments; a compiler fails where the
// source says #error.
func openScripted() cupel.Engine {
	return checked{fake.Open(fake.Config{OnExec: execScripted, OnPut: putScripted})}
}

func putScripted(_ context.Context, sb *fake.Sandbox, _ string, r io.Reader) error {
	archive := tar.NewReader(r)
	for {
		h, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			return err
		}
		sb.Set(h.Name, string(content))
	}
}

func execScripted(ctx context.Context, sb *fake.Sandbox, cmd cupel.Cmd) (cupel.Result, error) {
	res := fake.OK()
	res.Usage = cupel.Usage{Wall: 12345 * time.Microsecond, MemoryPeak: 7 * cupel.MiB, ProcessesPeak: 1}
	arg := append(cmd.Args[1:], "", "")
	switch cmd.Args[0] {
	case "status":
		res.Status, res.ExitCode = cupel.Status(arg[0]), -1
		if arg[1] != "" {
			_, _ = fmt.Sscan(arg[1], &res.ExitCode)
		}
	case "signal":
		res.Status, res.ExitCode, res.Signal = cupel.StatusSignaled, -1, arg[0]
	case "hit":
		res.LimitsHit = []cupel.LimitName{cupel.LimitName(arg[0])}
		res.Usage.Unobserved = []cupel.LimitName{cupel.LimitFiles}
	case "bytes":
		_, _ = cmd.Stdout.Write([]byte("a\xff\xfeb"))
	case "cut":
		res.StdoutTruncated = true
	case "spec":
		return res, json.NewEncoder(cmd.Stdout).Encode(sb.Spec)
	case "cat":
		_, err := io.Copy(cmd.Stdout, cmd.Stdin)
		return res, err
	case "both":
		_, _ = io.WriteString(cmd.Stdout, "to stdout\n")
		_, _ = io.WriteString(cmd.Stderr, "to stderr\n")
	case "wait":
		return res, waitScripted(ctx, arg[0])
	case "yes":
		for ctx.Err() == nil {
			_, _ = cmd.Stdout.Write(bytes.Repeat([]byte("y\n"), 512))
		}
		return res, fake.Sleep(ctx, time.Minute)
	case "fail":
		return res, cupel.Errorf(cupel.Kind(arg[0]), "mount proc", "permission denied").WithHint("see cupel doctor")
	default:
		return language(sb, cmd, res)
	}
	return res, nil
}

func waitScripted(ctx context.Context, file string) error {
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return err
	}
	return fake.Sleep(ctx, time.Minute)
}

// language stands for compilers and interpreters.
func language(sb *fake.Sandbox, cmd cupel.Cmd, res cupel.Result) (cupel.Result, error) {
	if source, ok := sb.Value("main.c").(string); ok && cmd.Args[0] == "gcc" && strings.Contains(source, "#error") {
		_, _ = io.WriteString(cmd.Stderr, "main.c:1: error: #error\n")
		return fake.Exit(1), nil
	}
	if strings.Contains(fmt.Sprint(sb.Value("main.js")), "not installed") {
		return fake.Exit(127), nil
	}
	if cmd.Args[0] != "gcc" {
		_, _ = fmt.Fprintf(cmd.Stdout, "ran %q in %q\n", cmd.Args, cmd.Dir)
	}
	return res, nil
}
