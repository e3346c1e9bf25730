package server

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/api"
	"cupel.dev/cupel/client"
	"cupel.dev/cupel/enginetest"
	"cupel.dev/cupel/service"
)

// remote is an engine whose sandboxes are made through the API.
type remote struct {
	client *client.Client
	close  func()
}

func (r *remote) Name() string { return "v1" }

func (r *remote) Create(ctx context.Context, spec cupel.Spec) (cupel.Sandbox, error) {
	sb, err := r.client.CreateSandbox(ctx, spec)
	if err != nil {
		return nil, err // not a nil *client.Sandbox
	}
	if _, ok := any((*service.Handle)(nil)).(cupel.Resetter); !ok {
		return struct{ cupel.Sandbox }{sb}, nil // without the client's Reset, which is refused
	}
	return sb, nil
}

func (r *remote) Close() error {
	r.close()
	return nil
}

// An engine behind the API conforms as the engine itself: nothing is lost on
// the way.
func TestConformance(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the whole conformance suite")
	}
	open := func(t *testing.T) cupel.Engine {
		p := start(t, options{Config: Config{Policy: Policy{
			Network: cupel.NetworkHost, Mounts: []string{"/:rw"}, Privileges: true, Isolation: cupel.IsolationAny, MaxSandboxes: 1000,
			MaxLimits: cupel.Limits{Output: cupel.GiB},
		}}, service: service.Config{Programs: 64}})
		c := p.client("")
		return &remote{c, func() {
			c.Close()
			if err := p.server.Close(); err != nil {
				t.Error(err)
			}
		}}
	}
	enginetest.Run(t, open, enginetest.Options{Cannot: lost(t)})
}

// lost is what the API can't do that an engine does, and what the engine behind
// it can't do here.
func lost(t *testing.T) map[string]string {
	const whole = "the API takes stdin whole, before the program starts"
	all := map[string]string{
		"exec/arguments arrive as they are":                          "JSON has no text that is not UTF-8: such an argument is refused",
		"stdio/64 MiB pass unchanged":                                "a JSON body has 64 MiB at most",
		"tree/cancelling ends the program and returns what was seen": "a caller that goes away sees no Result",
	}
	all["host/in a writable root programs of the image can be replaced"] = "the host image's files belong to nobody inside"
	c := start(t, options{}).client("")
	if _, err := c.Run(t.Context(), api.RunRequest{Args: []string{"true"}, Limits: api.Limits{CPUs: 0.5}}); cupel.KindOf(err) == cupel.Unsupported {
		all["limits/cpu: cores may be limited"] = err.Error()
	}
	if res, err := c.Run(t.Context(), api.RunRequest{Args: []string{"true"}}); err == nil && res.Isolation.Tier == cupel.TierNamespacesBoundProc {
		all["host/a writable root is private"] = "where /proc is bound, a program can read what was at the top of its root when it started"
	}
	for _, name := range []string{
		"stdio/stdin that nobody reads delays nothing", "stdio/stdin that never comes delays nothing", "stdio/a program may close stdin early",
		"stdio/output arrives while the program runs", // it waits for an answer; TestStream shows it
		"neighbours/processes of a neighbour are not seen", "neighbours/a neighbour is another host to a shell",
	} {
		all[name] = whole
	}
	for _, name := range []string{
		"abstract sockets do not cross", "System V shared memory does not cross", "System V message queues do not cross",
		"System V semaphores do not cross", "POSIX message queues do not cross", "ports of loopback do not cross",
		"/dev/shm does not cross", "the host name does not cross", "flock on a file of the image does not cross",
		"record locks on a file of the image do not cross", "/proc/locks shows no lock of a neighbour",
		"inotify on a file of the image does not cross",
	} {
		all["neighbours/"+name] = whole
	}
	return all
}

// A caller that vanishes leaves no process.
func TestCallerGoneLeavesNoProcess(t *testing.T) {
	c := start(t, options{}).client("")
	seconds := strconv.FormatInt(1e6+time.Now().UnixNano()%1e9, 10)
	ctx, cancel := context.WithCancel(t.Context())
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	failed := make(chan error, 1)
	go func() {
		_, err := c.RunStream(ctx, api.RunRequest{
			Args: []string{"sh", "-c", "setsid sleep " + seconds + " & echo up; sleep " + seconds}, Limits: api.Limits{Time: api.Duration(time.Minute)},
		}, w, nil)
		w.Close()
		failed <- err
	}()
	if line := make([]byte, 3); true {
		if _, err := r.Read(line); err != nil || string(line) != "up\n" {
			t.Fatalf("%q, %v", line, err)
		}
	}
	eventually(t, "the programs' start", func() bool { return processesWith(t, seconds) > 0 })
	cancel()
	wantKind(t, <-failed, cupel.Canceled)
	eventually(t, "the programs' end", func() bool { return processesWith(t, seconds) == 0 })
}

// processesWith counts this machine's processes whose command line has word.
func processesWith(t *testing.T, word string) (n int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(files) == 0 {
		t.Skip("no /proc here")
	}
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil && bytes.Contains(text, []byte(word)) {
			n++
		}
	}
	return n
}
