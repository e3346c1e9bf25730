package enclave

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/door"
	"cupel.dev/cupel/internal/engine/fake"
	"cupel.dev/cupel/service"
)

var shellTools = map[string]any{"tools_config": []string{"shell_executor"}}

func (w *world) shell(id string) answer {
	w.t.Helper()
	return w.ask("POST", "/sandbox/tool/execute", map[string]any{"sandbox_id": id, "tool_name": "shell_executor", "parameters": map[string]string{"command": "x"}})
}

func TestKeysDontSeeEachOther(t *testing.T) {
	w := newWorldWith(t, Config{}, fake.Config{}, service.Config{}, door.Config{Keys: []door.Key{{Name: "one", Secret: "secret-number-one"}, {Name: "two", Secret: "secret-number-two"}}})
	one, two := []string{"X-API-Key", "secret-number-one"}, []string{"X-API-Key", "secret-number-two"}
	id := w.create("docker", shellTools, one...)
	slots, _ := w.must("POST", "/pool/initialize?pool_size=1", shellTools, one...).field("sandbox_ids").([]any)
	for _, id := range []string{id, slots[0].(string)} {
		for _, r := range [][2]string{{"GET", "/sandbox/" + id}, {"DELETE", "/sandbox/" + id}, {"POST", "/sandbox/" + id + "/stop"}, {"GET", "/sandbox/" + id + "/tools"}} {
			foreign, absent := w.ask(r[0], r[1], nil, two...), w.ask(r[0], strings.Replace(r[1], id, "zzzzzzzz", 1), nil, two...)
			if foreign.status != 404 || strings.ReplaceAll(foreign.text, id, "zzzzzzzz") != absent.text {
				t.Errorf("%v: %d %s, but of one that isn't there: %s", r, foreign.status, foreign.text, absent.text)
			}
		}
		body := fmt.Sprintf(`{"sandbox_id":%q,"tool_name":"shell_executor","parameters":{"command":"x"}}`, id)
		if a := w.ask("POST", "/sandbox/tool/execute", body, two...); a.status != 404 {
			t.Errorf("execute: %d %s", a.status, a.text)
		}
		if a := w.ask("POST", "/sandbox/tool/execute", body, one...); a.status != 200 {
			t.Errorf("execute by the owner: %d %s", a.status, a.text)
		}
	}
	if a := w.must("GET", "/sandboxes", nil, two...); a.text != "[]" {
		t.Errorf("list: %s", a.text)
	}
	if a := w.must("GET", "/stats", nil, two...); a.field("total_sandboxes") != 0.0 || a.field("pool_initialized") != false {
		t.Errorf("stats: %s", a.text)
	}
	if a := w.ask("POST", "/pool/execute?tool_name=shell_executor", `{"command":"x"}`, two...); a.detail() != noPool {
		t.Errorf("pool: %d %s", a.status, a.text)
	}
	if a := w.ask("GET", "/health", nil); a.status != 401 || a.detail() != "Unauthorized" {
		t.Errorf("without a key: %d %s", a.status, a.text)
	}
}

func TestSlotsLeaveTheirPool(t *testing.T) {
	w := newWorld(t, Config{}, fake.Config{})
	slots, _ := w.must("POST", "/pool/initialize?pool_size=3", shellTools).field("sandbox_ids").([]any)
	w.must("DELETE", "/sandbox/"+slots[0].(string), nil)
	w.must("POST", "/sandbox/"+slots[1].(string)+"/stop", nil)
	if a := w.must("GET", "/sandboxes?status=idle", nil); len(a.json.([]any)) != 1 {
		t.Errorf("idle: %s", a.text)
	}
	if a := w.must("GET", "/sandbox/"+slots[1].(string), nil); a.field("status") != "stopped" {
		t.Errorf("stopped slot: %s", a.text)
	}
	if a := w.shell(slots[1].(string)); a.status != 404 || !strings.Contains(a.detail(), "is not active (status: SandboxStatus.STOPPED)") {
		t.Errorf("stopped slot: %d %s", a.status, a.text)
	}
	w.must("POST", "/pool/execute?tool_name=shell_executor", map[string]string{"command": "x"})
	w.must("DELETE", "/sandbox/"+slots[2].(string), nil)
	if a := w.ask("POST", "/pool/execute?tool_name=shell_executor", map[string]string{"command": "x"}); a.status != 400 || a.detail() != noPool {
		t.Errorf("a pool without slots: %d %s", a.status, a.text)
	}
	if n := len(w.server.pools); n != 0 {
		t.Errorf("%d pools are left", n)
	}
}

func TestBusyAndIdle(t *testing.T) {
	in, out := make(chan struct{}), make(chan struct{})
	var asked atomic.Bool
	w := newWorld(t, Config{}, fake.Config{OnExec: func(ctx context.Context, _ *fake.Sandbox, cmd cupel.Cmd) (cupel.Result, error) {
		if asked.Load() {
			in <- struct{}{}
			<-out
		}
		return fake.OK(), nil
	}})
	w.must("POST", "/pool/initialize?pool_size=2", shellTools)
	asked.Store(true)
	var all sync.WaitGroup
	all.Go(func() { w.must("POST", "/pool/execute?tool_name=shell_executor", map[string]string{"command": "x"}) })
	<-in
	for status, want := range map[string]int{"busy": 1, "idle": 1} {
		if a := w.must("GET", "/sandboxes?status="+status, nil); len(a.json.([]any)) != want {
			t.Errorf("%s: %s", status, a.text)
		}
	}
	out <- struct{}{}
	all.Wait()
	if a := w.must("GET", "/sandboxes?status=idle", nil); len(a.json.([]any)) != 2 {
		t.Errorf("afterwards: %s", a.text)
	}
}

func TestPlaces(t *testing.T) {
	w := newWorld(t, Config{Policy: Policy{MaxSandboxes: 3, MaxPoolSize: 2}}, fake.Config{})
	first := w.create("docker", nil)
	w.must("POST", "/pool/initialize?pool_size=2", shellTools)
	full := w.ask("POST", "/sandbox/create?sandbox_type=docker", nil)
	if full.status != http.StatusTooManyRequests || full.header.Get("Retry-After") == "" {
		t.Errorf("one too many: %d %s", full.status, full.text)
	}
	w.must("POST", "/sandbox/"+first+"/stop", nil) // its record takes no place
	w.create("docker", nil)
	for size, want := range map[string]int{"3": 400, "99999999999999999999": 400, "-99999999999999999999": 200} {
		if a := w.ask("POST", "/pool/initialize?pool_size="+size, shellTools); a.status != want {
			t.Errorf("pool_size %s: %d %s", size, a.status, a.text)
		}
	}
	if a := w.ask("POST", "/pool/initialize?pool_size=1", shellTools); a.status != http.StatusTooManyRequests {
		t.Errorf("a pool that grows too large: %d %s", a.status, a.text)
	}
	if n := w.server.creating; n != 0 {
		t.Errorf("%d places are lost", n)
	}
}

func TestMachineFailuresAreNoResults(t *testing.T) {
	for kind, status := range map[cupel.Kind]int{
		cupel.Internal: 500, cupel.Unavailable: 503, cupel.Exhausted: 429, cupel.Unsupported: 400, cupel.NotFound: 400, cupel.Invalid: 400,
	} {
		w := newWorld(t, Config{}, fake.Config{OnCreate: func(context.Context, cupel.Spec) error {
			return cupel.Errorf(kind, "make", "it broke").WithHint("do this")
		}})
		for _, path := range []string{"/sandbox/create?sandbox_type=docker", "/sandbox/create?sandbox_type=volcengine", "/pool/initialize?pool_size=2"} {
			a := w.ask("POST", path, nil)
			if a.status != status || !strings.Contains(a.detail(), "it broke (do this)") || (status == 503 || status == 429) != (a.header.Get("Retry-After") != "") {
				t.Errorf("%s, %s: %d %v %s", path, kind, a.status, a.header, a.text)
			}
		}
		if a := w.must("GET", "/sandboxes", nil); a.text != "[]" || w.server.creating != 0 || len(w.server.pools) != 0 {
			t.Errorf("left: %s, %d places", a.text, w.server.creating)
		}
	}
}

// failing is an engine whose programs fail so many times once they are asked to.
func failing(times *atomic.Int64, kind cupel.Kind) fake.Config {
	return fake.Config{OnExec: func(_ context.Context, _ *fake.Sandbox, cmd cupel.Cmd) (cupel.Result, error) {
		if times.Add(-1) >= 0 {
			return cupel.Result{}, cupel.Errorf(kind, "exec", "it broke")
		}
		return fake.OK(), nil
	}}
}

func TestPoolsTryOnceMore(t *testing.T) {
	execute := func(w *world) answer {
		return w.ask("POST", "/pool/execute?tool_name=shell_executor", map[string]string{"command": "x"})
	}
	for _, tt := range []struct {
		kind   cupel.Kind
		times  int64
		host   bool
		status int
	}{
		{cupel.Internal, 1, false, 200}, {cupel.Unavailable, 1, false, 200}, {cupel.Internal, 2, false, 500}, {cupel.Unavailable, 2, false, 503},
		{cupel.Internal, 1, true, 500}, {cupel.Unsupported, 1, false, 400},
	} {
		var times atomic.Int64
		w := newWorld(t, Config{Policy: Policy{HostNetwork: true}}, failing(&times, tt.kind))
		config := map[string]any{"tools_config": []string{"shell_executor"}, "network": "bridge"}
		if tt.host {
			config["network"] = "host"
		}
		w.must("POST", "/pool/initialize?pool_size=1", config)
		times.Store(tt.times)
		if a := execute(w); a.status != tt.status {
			t.Errorf("%+v: %d %s", tt, a.status, a.text)
		}
	}
}

func TestOwnSandboxTriesOnce(t *testing.T) {
	var times atomic.Int64
	w := newWorld(t, Config{}, failing(&times, cupel.Unavailable))
	id := w.create("docker", shellTools)
	times.Store(1)
	if a := w.shell(id); a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", a.status, a.text)
	}
	if a := w.shell(id); a.status != 200 {
		t.Errorf("afterwards: %d %s", a.status, a.text)
	}
}

func TestWaitingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow atomic.Bool
		w := newWorldWith(t, Config{}, fake.Config{OnExec: func(ctx context.Context, _ *fake.Sandbox, _ cupel.Cmd) (cupel.Result, error) {
			if slow.Load() {
				return fake.OK(), fake.Sleep(ctx, 10*time.Second)
			}
			return fake.OK(), nil
		}}, service.Config{Programs: 1, Queue: 2}, door.Config{})
		w.must("POST", "/pool/initialize?pool_size=1", shellTools)
		slow.Store(true)
		ask := func(timeout string) answer {
			return w.ask("POST", "/pool/execute?tool_name=shell_executor"+timeout, map[string]string{"command": "x"})
		}
		var all sync.WaitGroup
		all.Go(func() {
			if a := ask("&timeout=1"); a.status != 200 {
				t.Errorf("a run is longer than the wait may be: %d %s", a.status, a.text)
			}
		})
		synctest.Wait()
		for timeout, text := range map[string]string{"1": "1.0s", "0.5": "0.5s", "-1": "-1.0s"} {
			if a := ask("&timeout=" + timeout); a.status != 408 || a.detail() != "Timeout waiting for available sandbox from pool after "+text {
				t.Errorf("timeout=%s: %d %s", timeout, a.status, a.text)
			}
		}
		for _, timeout := range []string{"", "&timeout=0"} {
			all.Go(func() {
				if a := ask(timeout); a.status != 200 {
					t.Errorf("without a bound: %d %s", a.status, a.text)
				}
			})
			synctest.Wait()
		}
		if a := ask(""); a.status != 429 || a.header.Get("Retry-After") == "" {
			t.Errorf("a full queue: %d %s", a.status, a.text)
		}
		all.Wait()
	})
}

func TestIdleOnesGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow atomic.Bool
		w := newWorld(t, Config{IdleTTL: 10 * time.Minute}, fake.Config{OnExec: func(ctx context.Context, _ *fake.Sandbox, _ cupel.Cmd) (cupel.Result, error) {
			if slow.Load() {
				return fake.OK(), fake.Sleep(ctx, 30*time.Minute)
			}
			return fake.OK(), nil
		}})
		idle, used, stopped := w.create("docker", shellTools), w.create("docker", shellTools), w.create("docker", nil)
		w.must("POST", "/pool/initialize?pool_size=2", shellTools)
		w.must("POST", "/sandbox/"+stopped+"/stop", nil)
		slow.Store(true)
		var all sync.WaitGroup
		all.Go(func() { w.shell(used) })
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		if list := w.must("GET", "/sandboxes", nil); len(list.json.([]any)) != 1 || !strings.Contains(list.text, used) {
			t.Errorf("%s should be gone and %s there: %s", idle, used, list.text)
		}
		if len(w.server.pools) != 0 {
			t.Error("the pool is still there")
		}
		all.Wait()
		time.Sleep(5 * time.Minute)
		w.must("GET", "/sandbox/"+used, nil)
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		if a := w.ask("GET", "/sandbox/"+used, nil); a.status != 404 {
			t.Errorf("%d %s", a.status, a.text)
		}
	})
}

func TestClientThatVanishes(t *testing.T) {
	began := make(chan struct{})
	w := newWorld(t, Config{}, fake.Config{OnExec: func(ctx context.Context, _ *fake.Sandbox, cmd cupel.Cmd) (cupel.Result, error) {
		close(began)
		<-ctx.Done()
		return cupel.Result{}, &cupel.Error{Kind: cupel.Canceled, Err: ctx.Err()}
	}})
	ctx, cancel := context.WithCancel(t.Context())
	r := httptest.NewRequest(http.MethodPost, "/sandbox/create?sandbox_type=docker", nil).WithContext(ctx)
	done := make(chan answer)
	go func() { done <- w.send(r) }()
	<-began
	cancel()
	if a := <-done; a.status != http.StatusServiceUnavailable {
		t.Errorf("%d %s", a.status, a.text)
	}
	if n := w.engine.Counts().Open; n != 0 || w.server.creating != 0 {
		t.Errorf("%d sandboxes and %d places are left", n, w.server.creating)
	}
}

func TestCloseEndsAll(t *testing.T) {
	began := make(chan struct{})
	var slow atomic.Bool
	w := newWorld(t, Config{}, fake.Config{OnExec: func(ctx context.Context, _ *fake.Sandbox, cmd cupel.Cmd) (cupel.Result, error) {
		if slow.Load() {
			close(began)
			<-ctx.Done()
			return cupel.Result{}, &cupel.Error{Kind: cupel.Canceled, Err: ctx.Err()}
		}
		return fake.OK(), nil
	}})
	id := w.create("docker", shellTools)
	slow.Store(true)
	var all sync.WaitGroup
	all.Go(func() {
		if a := w.shell(id); a.status != 503 && a.status != 404 {
			t.Errorf("%d %s", a.status, a.text)
		}
	})
	<-began
	w.server.Close()
	all.Wait()
	if n := w.engine.Counts().Open; n != 0 {
		t.Errorf("%d sandboxes are open", n)
	}
	for _, path := range []string{"/sandbox/create?sandbox_type=docker", "/pool/initialize?pool_size=1"} {
		if a := w.ask("POST", path, nil); a.status != 503 || a.header.Get("Retry-After") == "" {
			t.Errorf("%s after Close: %d %s", path, a.status, a.text)
		}
	}
}

func TestAuditAndConsole(t *testing.T) {
	var console, audit bytes.Buffer
	logger := func(b *bytes.Buffer) *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }
	w := newWorldWith(t, Config{Log: logger(&console)}, fake.Config{}, service.Config{}, door.Config{Log: logger(&audit)})
	id := w.create("docker", shellTools)
	w.create("docker", shellTools)
	w.shell(id)
	w.shell(id)
	if a := w.run(id, "shell_executor", map[string]any{"nope": 1}); a.status != 400 {
		t.Errorf("%d %s", a.status, a.text)
	}
	w.must("POST", "/pool/initialize?pool_size=2", shellTools)
	w.must("POST", "/pool/execute?tool_name=shell_executor", map[string]string{"command": "x"})
	w.must("DELETE", "/sandbox/"+id, nil)
	for _, want := range []string{
		"Created and started sandbox " + id + " of type docker", "Initializing pool with 2 sandboxes of type docker", "Pool initialized with 2 sandboxes", "Deleted sandbox " + id,
	} {
		if !strings.Contains(console.String(), want) {
			t.Errorf("the console doesn't say %q:\n%s", want, console.String())
		}
	}
	if n := strings.Count(console.String(), "network bridge: none"); n != 1 {
		t.Errorf("what was adapted is said %d times:\n%s", n, console.String())
	}
	if n := strings.Count(audit.String(), "msg=execution"); n != 3 || !strings.Contains(audit.String(), "sandbox="+id) || strings.Count(audit.String(), "code_sha256=") != 3 {
		t.Errorf("%d audit lines:\n%s", n, audit.String())
	}
}

func TestUnmappedImageNamesTheSetting(t *testing.T) {
	w := newWorld(t, Config{Images: Images{{"python:3.11-slim", "host"}, {"bench/*", "dir:/bench"}, {"docker.io/library/tool:latest", "dir:/tool"}}}, fake.Config{})
	for image, source := range map[string]string{
		"python:3.11-slim": "host", "docker.io/library/python:3.11-slim": "host", "library/python:3.11-slim": "host", "bench/x:1": "dir:/bench", "tool": "dir:/tool",
		"tool:latest": "dir:/tool", "python:3.12-slim": "", "bench/x/y": "", "host": "", "dir:/etc": "", "tar:/x": "", "": "",
	} {
		a := w.ask("POST", "/sandbox/create?sandbox_type=docker", map[string]string{"image": image})
		if source == "" {
			if a.status != 400 || !strings.Contains(a.detail(), "--image "+image+"=SOURCE") {
				t.Errorf("%q: %d %s", image, a.status, a.text)
			}
			continue
		}
		if id, _ := a.field("sandbox_id").(string); !strings.Contains(w.must("GET", "/sandbox/"+id, nil).text, `"image":"`+source+`"`) {
			t.Errorf("%q is not %s", image, source)
		}
	}
	// The notebook's image is built by the original; here it is Python's.
	w.create("docker_notebook", nil)
}

// ended is a program that runs until it is ended.
func ended(began chan<- struct{}, slow *atomic.Bool) fake.Config {
	return fake.Config{OnExec: func(ctx context.Context, _ *fake.Sandbox, _ cupel.Cmd) (cupel.Result, error) {
		if !slow.Load() {
			return fake.OK(), nil
		}
		began <- struct{}{}
		<-ctx.Done()
		return cupel.Result{}, &cupel.Error{Kind: cupel.Canceled, Err: ctx.Err()}
	}}
}

func TestStopEndsWhatRuns(t *testing.T) {
	began := make(chan struct{})
	var slow atomic.Bool
	w := newWorld(t, Config{}, ended(began, &slow))
	id := w.create("docker", shellTools)
	slow.Store(true)
	var all sync.WaitGroup
	all.Go(func() {
		if a := w.shell(id); a.status != 404 || !strings.Contains(a.detail(), "is not active") {
			t.Errorf("%d %s", a.status, a.text)
		}
	})
	<-began
	w.must("POST", "/sandbox/"+id+"/stop", nil)
	all.Wait()
}

func TestCloseEndsPools(t *testing.T) {
	began := make(chan struct{})
	var slow atomic.Bool
	w := newWorld(t, Config{}, ended(began, &slow))
	w.must("POST", "/pool/initialize?pool_size=1", shellTools)
	slow.Store(true)
	var all sync.WaitGroup
	all.Go(func() {
		a := w.ask("POST", "/pool/execute?tool_name=shell_executor", map[string]string{"command": "x"})
		if a.status != 503 || a.header.Get("Retry-After") == "" {
			t.Errorf("%d %s", a.status, a.text)
		}
	})
	<-began
	w.server.Close()
	all.Wait()
}

func TestPythonOfTheImage(t *testing.T) {
	var asked []string
	w := newWorld(t, Config{}, fake.Config{OnExec: func(_ context.Context, _ *fake.Sandbox, cmd cupel.Cmd) (cupel.Result, error) {
		asked = append(asked, cmd.Args[0])
		if cmd.Args[0] == "python" {
			return fake.Exit(127), nil
		}
		return fake.OK(), nil
	}})
	config := map[string]any{"tools_config": []string{"python_executor"}}
	for range 2 {
		id := w.create("docker", config)
		w.run(id, "python_executor", map[string]any{"code": "1"})
	}
	if got := strings.Join(asked, " "); got != "python python3 python3 python3" {
		t.Errorf("asked %s", got)
	}
}
