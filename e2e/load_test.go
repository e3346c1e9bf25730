//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	loadClients = 64
	loadCalls   = 500
)

// Sixty-four clients make 500 calls each: all succeed with their own answer,
// and the server has in the end no process, mount, cgroup or file open more than
// after the first of them, and no more memory.
func TestEnclaveLoad(t *testing.T) {
	before := lookAround(t)
	t.Cleanup(func() { before.compare(t) })
	s := startCupel(t, as(t, os.Geteuid()))
	c := &enclave{t: t, url: s.url}
	c.pool(8, `{"tools_config": ["shell_executor"]}`)
	box := c.create(`{"tools_config": ["shell_executor"]}`)
	warm := hammer(t, s.url, box, loadClients, loadCalls/10)
	if warm != 0 {
		t.Fatalf("%d of the first calls failed", warm)
	}
	c.http.CloseIdleConnections()
	first := measure(t, s)
	began := time.Now()
	if failed := hammer(t, s.url, box, loadClients, loadCalls); failed != 0 {
		t.Errorf("%d of %d calls failed", failed, loadClients*loadCalls)
	}
	took := time.Since(began)
	last := measure(t, s)
	t.Logf("%d calls in %v, %.0f a second; %v, then %v", loadClients*loadCalls, took.Round(time.Second), float64(loadClients*loadCalls)/took.Seconds(), first, last)
	// A collector's heap breathes; a leak of a page a call would show as 128 MB.
	if last.memory > first.memory+first.memory/4+16<<20 {
		t.Errorf("the server's memory grew from %d to %d MB", first.memory>>20, last.memory>>20)
	}
	if last.files > first.files+4 || last.processes > first.processes || last.mounts > first.mounts || last.threads > first.threads+16 {
		t.Errorf("left by the calls: %v, at first %v", last, first)
	}
}

// hammer makes calls from many clients, each with connections of its own, in
// the pool and in a sandbox in turns, and counts those that did not give their
// own answer.
func hammer(t *testing.T, url, box string, clients, calls int) (failed int64) {
	t.Helper()
	var bad atomic.Int64
	var all sync.WaitGroup
	for client := range clients {
		all.Go(func() {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			c := &enclave{t: t, url: url, http: http.Client{Transport: transport}}
			for call := range calls {
				word := fmt.Sprintf("client-%d-call-%d", client, call)
				path, body := "/pool/execute?tool_name=shell_executor", parameters("command", "echo "+word)
				if call%4 == 3 {
					path, body = executePath, execution(box, "shell_executor", "command", "echo "+word)
				}
				r, err := c.try(http.MethodPost, path, body)
				if err != nil || r.status != http.StatusOK || !strings.Contains(string(r.body), `"output":"`+word+`\n"`) {
					if bad.Add(1) < 5 {
						t.Errorf("%s: %v, status %d: %s", word, err, r.status, clip(string(r.body)))
					}
				}
			}
		})
	}
	all.Wait()
	return bad.Load()
}

// footprint is what a server holds.
type footprint struct{ memory, files, threads, processes, mounts int }

func (f footprint) String() string {
	return fmt.Sprintf("%d MB, %d files, %d threads, %d processes, %d mounts", f.memory>>20, f.files, f.threads, f.processes, f.mounts)
}

// measure waits until the server's connections are closed, and looks.
func measure(t *testing.T, s *server) (f footprint) {
	t.Helper()
	proc := filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid))
	for try := range 40 { // idle connections and sandboxes that are being reset end soon
		time.Sleep(50 * time.Millisecond)
		files, err := os.ReadDir(filepath.Join(proc, "fd"))
		if err != nil {
			t.Fatal(err)
		}
		if try > 0 && len(files) == f.files && try > 20 {
			break
		}
		f.files = len(files)
	}
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		number, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
		switch name {
		case "VmRSS":
			f.memory = number << 10
		case "Threads":
			f.threads = number
		}
	}
	f.processes = len(descendants(t))
	f.mounts = len(mounts(t))
	return f
}

// A server that gets ten times what it can run and let wait refuses the rest
// at once, as retryable: 429 or 503 with Retry-After. What it accepts is
// right, and who tries again gets an answer.
func TestEnclaveOverload(t *testing.T) {
	const slots, queue = 2, 6
	s := startCupel(t, as(t, os.Geteuid()), fmt.Sprintf("--concurrency=%d", slots), fmt.Sprintf("--queue=%d", queue))
	c := &enclave{t: t, url: s.url}
	box := c.create(`{"tools_config": ["shell_executor"]}`)
	c.pool(slots, `{"tools_config": ["shell_executor"]}`)
	var refused, answered atomic.Int64
	var all sync.WaitGroup
	start := make(chan struct{})
	for client := range 10 * (slots + queue) {
		all.Go(func() {
			<-start
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			c := &enclave{t: t, url: s.url, http: http.Client{Transport: transport}}
			word := fmt.Sprintf("client-%d", client)
			path, body := "/pool/execute?tool_name=shell_executor", parameters("command", "sleep 0.2; echo "+word)
			if client%2 == 1 {
				path, body = executePath, execution(box, "shell_executor", "command", "sleep 0.2; echo "+word)
			}
			for range 600 {
				r, err := c.try(http.MethodPost, path, body)
				switch {
				case err != nil:
					t.Errorf("%s: %v", word, err)
					return
				case r.status == http.StatusOK:
					if !strings.Contains(string(r.body), `"output":"`+word+`\n"`) {
						t.Errorf("%s: %s", word, clip(string(r.body)))
					}
					answered.Add(1)
					return
				case r.status != http.StatusTooManyRequests && r.status != http.StatusServiceUnavailable:
					t.Errorf("%s: status %d: %s", word, r.status, clip(string(r.body)))
					return
				}
				if after, err := strconv.Atoi(r.header.Get("Retry-After")); err != nil || after < 0 || after > 600 {
					t.Errorf("status %d with Retry-After %q", r.status, r.header.Get("Retry-After"))
				}
				refused.Add(1)
				time.Sleep(100 * time.Millisecond)
			}
			t.Errorf("%s was refused for a minute", word)
		})
	}
	close(start)
	all.Wait()
	t.Logf("%d answered, %d refusals before", answered.Load(), refused.Load())
	if refused.Load() == 0 {
		t.Error("nothing was refused")
	}
}
