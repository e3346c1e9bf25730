// Command bench-enclave compares ms-enclave servers, such as the original and
// ours, in one run: calls a second through the published Python client, round
// about, and what that client can do at most, against a server that does
// nothing. A load generator in Go shows what the client hides.
//
//	bench-enclave -python VENV/bin/python cupel=http://127.0.0.1:1234 original=http://127.0.0.1:8000
//
// The end-to-end tests keep an environment with the client in their cache
// (venv-client-*); each server needs the image python:3.11-slim.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

type target struct{ name, url string }

type options struct {
	python, script string
	rounds         int
	length         time.Duration
	concurrency    int
	kinds, clients []string
	targets        []target
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var o options
	var kinds, clients string
	flag.StringVar(&o.python, "python", "python3", "a Python with ms-enclave installed")
	flag.StringVar(&o.script, "script", filepath.Join("e2e", "testdata", "python", "throughput.py"), "the Python client's loop")
	flag.IntVar(&o.rounds, "rounds", 3, "how often each server has its turn")
	flag.DurationVar(&o.length, "length", 5*time.Second, "how long a turn takes")
	flag.IntVar(&o.concurrency, "concurrency", 8, "calls at once")
	flag.StringVar(&kinds, "kinds", "pooled,fresh,alone", "what to measure: pooled, fresh, alone")
	flag.StringVar(&clients, "clients", "python,go", "who calls: python, go")
	flag.Parse()
	o.kinds, o.clients = strings.Split(kinds, ","), strings.Split(clients, ",")
	for _, arg := range flag.Args() {
		name, url, ok := strings.Cut(arg, "=")
		if !ok {
			fmt.Fprintf(os.Stderr, "bench-enclave: %q: want NAME=URL\n", arg)
			os.Exit(2)
		}
		o.targets = append(o.targets, target{name, strings.TrimSuffix(url, "/")})
	}
	if err := o.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench-enclave:", err)
		os.Exit(1)
	}
}

// run measures each kind on each target by turns, and prints a table.
func (o *options) run(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	null := &http.Server{Handler: http.HandlerFunc(doNothing), ReadHeaderTimeout: time.Minute}
	defer func() { _ = null.Close() }()
	go func() { _ = null.Serve(l) }()
	all := append(slices.Clone(o.targets), target{"nothing", "http://" + l.Addr().String()})
	fmt.Printf("%-8s %-7s %-10s %9s %9s %7s  (calls a second: median of %d turns of %v, %d at once)\n",
		"kind", "client", "server", "median", "best", "wrong", o.rounds, o.length, o.concurrency)
	for _, kind := range o.kinds {
		for _, client := range o.clients {
			if err := o.compare(ctx, kind, client, all); err != nil {
				return err
			}
		}
	}
	return nil
}

// compare measures one kind with one client on all targets, by turns.
func (o *options) compare(ctx context.Context, kind, client string, all []target) error {
	rates := map[string][]float64{}
	wrong := map[string]int{}
	for range o.rounds {
		for _, t := range all {
			var turn result
			var err error
			if client == "python" {
				turn, err = o.turn(ctx, kind, t.url)
			} else {
				turn, err = o.load(ctx, kind, t.url)
			}
			if err != nil {
				return fmt.Errorf("%s, %s client, %s: %w", t.name, client, kind, err)
			}
			rates[t.name] = append(rates[t.name], float64(turn.Calls)/turn.Seconds)
			wrong[t.name] += turn.Wrong
		}
	}
	for _, t := range all {
		list := slices.Sorted(slices.Values(rates[t.name]))
		fmt.Printf("%-8s %-7s %-10s %9.1f %9.1f %7d\n", kind, client, t.name, list[len(list)/2], list[len(list)-1], wrong[t.name])
	}
	return nil
}

// result is a turn: calls that ended, those of them with a wrong answer, and
// how long they took together.
type result struct {
	Calls, Wrong int
	Seconds      float64
}

// atOnce is how many calls of a kind are under way at once.
func (o *options) atOnce(kind string) int {
	if kind == "alone" {
		return 1
	}
	return o.concurrency
}

// turn runs the Python client.
func (o *options) turn(ctx context.Context, kind, url string) (r result, err error) {
	cmd := exec.CommandContext(ctx, o.python, o.script, url, kind, fmt.Sprint(o.length.Seconds()), fmt.Sprint(o.atOnce(kind)))
	cmd.Env = append(os.Environ(), "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return r, fmt.Errorf("%w\n%s", err, exit.Stderr)
	}
	if err != nil {
		return r, err
	}
	last := strings.TrimSpace(string(out))
	last = last[strings.LastIndexByte(last, '\n')+1:]
	return r, json.Unmarshal([]byte(last), &r)
}
