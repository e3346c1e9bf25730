//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A server that is killed with SIGKILL, programs and pools in use, takes all of
// them with it; one started again on the same directories finds nothing in its
// way, works, and leaves nothing that the killed one had made.
func TestServerKilled(t *testing.T) {
	before := lookAround(t)
	me := as(t, os.Geteuid())
	for round := range 5 {
		s := startCupel(t, me)
		c := &enclave{t: t, url: s.url}
		box := c.create(`{"tools_config": ["shell_executor"]}`)
		c.pool(3, `{"tools_config": ["shell_executor"]}`)
		const stay = "(setsid sleep 1000 > /dev/null 2>&1 < /dev/null &); echo x > /tmp/x; sleep 1000"
		var calls sync.WaitGroup
		for i := range 4 {
			calls.Go(func() {
				path, body := "/pool/execute?tool_name=shell_executor", parameters("command", stay)
				if i == 0 {
					path, body = executePath, execution(box, "shell_executor", "command", stay)
				}
				if r, err := c.try(http.MethodPost, path, body); err == nil {
					t.Errorf("a program of a killed server ended: %d %s", r.status, r.body)
				}
			})
		}
		// Killed while they start in some rounds, while they run in others.
		time.Sleep(time.Duration(round) * 100 * time.Millisecond)
		s.kill()
		calls.Wait()
		noDescendants(t)
	}
	s := startCupel(t, me)
	c := &enclave{t: t, url: s.url}
	if n := len(c.list()); n != 0 {
		t.Errorf("the new server has %d sandboxes", n)
	}
	if got := c.shell(c.create(`{"tools_config": ["shell_executor"]}`), "echo back"); got.Output != "back\n" {
		t.Errorf("the new server gives %+v", got)
	}
	s.stop(t)
	before.compare(t)
	left(t, me)
}

// A server that gets SIGTERM lets running programs end, gives their results,
// refuses new work as retryable, and exits with 0; programs that go on for too
// long are ended.
func TestServerDrains(t *testing.T) {
	before := lookAround(t)
	me := as(t, os.Geteuid())
	s := startCupel(t, me, "--drain=3s")
	c := &enclave{t: t, url: s.url}
	box := c.create(`{"tools_config": ["shell_executor"]}`)
	c.pool(1, `{"tools_config": ["shell_executor"]}`)
	type ending struct {
		reply
		err error
	}
	short, pooled, endless := make(chan ending, 1), make(chan ending, 1), make(chan ending, 1)
	send := func(to chan ending, path, body string) {
		r, err := c.try(http.MethodPost, path, body)
		to <- ending{r, err}
	}
	go send(short, executePath, execution(box, "shell_executor", "command", "sleep 1.5; echo ended"))
	go send(pooled, "/pool/execute?tool_name=shell_executor", parameters("command", "sleep 1.5; echo pooled"))
	time.Sleep(700 * time.Millisecond)
	go send(endless, executePath, execution(box, "shell_executor", "command", "sleep 1000"))
	time.Sleep(300 * time.Millisecond)
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	if r, err := c.try(http.MethodPost, executePath, execution(box, "shell_executor", "command", "echo late")); err == nil &&
		(r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "") {
		t.Errorf("new work while draining: status %d, Retry-After %q: %s", r.status, r.header.Get("Retry-After"), r.body)
	}
	for want, from := range map[string]chan ending{"ended\n": short, "pooled\n": pooled} {
		e := <-from
		var got toolResult
		if e.err != nil || json.Unmarshal(e.body, &got) != nil || got.Output != want {
			t.Errorf("a program that was running gives %v, status %d: %s; want %q", e.err, e.status, e.body, want)
		}
	}
	if e := <-endless; e.err == nil && e.status == http.StatusOK && strings.Contains(string(e.body), `"success"`) {
		t.Errorf("an endless program: %s", e.body)
	} else {
		t.Logf("an endless program: %v, status %d: %s", e.err, e.status, clip(string(e.body)))
	}
	select {
	case <-s.ended:
	case <-time.After(20 * time.Second):
		t.Fatalf("the server did not end\n%s", clip(s.log.String()))
	}
	if status := s.cmd.ProcessState.ExitCode(); status != 0 {
		t.Errorf("exit %d\n%s", status, clip(s.log.String()))
	}
	before.compare(t)
	left(t, me)
}

// A client that vanishes in the middle of a call leaves nothing for ever: what
// it started ends, and its sandboxes expire.
func TestClientVanishes(t *testing.T) {
	s := startCupel(t, as(t, os.Geteuid()), "--idle-ttl=2s")
	c := &enclave{t: t, url: s.url}
	idle := len(descendants(t))
	boxes := make([]string, 3)
	for i := range boxes {
		boxes[i] = c.create(`{"tools_config": ["shell_executor"]}`)
		gone := &enclave{t: t, url: s.url, http: http.Client{Timeout: 500 * time.Millisecond}}
		if r, err := gone.try(http.MethodPost, executePath, execution(boxes[i], "shell_executor", "command", fmt.Sprintf("sleep 100%d", i))); err == nil {
			t.Errorf("status %d: %s", r.status, r.body)
		}
	}
	for range 300 {
		if len(c.list()) == 0 && len(descendants(t)) <= idle {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("after half a minute there are the sandboxes %v and the processes %v", c.list(), descendants(t))
}
