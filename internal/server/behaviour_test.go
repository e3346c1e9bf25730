package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/api"
	"cupel.dev/cupel/internal/door"
	"cupel.dev/cupel/internal/engine/fake"
	"cupel.dev/cupel/service"
)

// onImage notes what sandboxes are made from.
func onImage(made *[]string) func(context.Context, cupel.Spec) error {
	return func(_ context.Context, spec cupel.Spec) error {
		*made = append(*made, spec.Image)
		return nil
	}
}

// The machine's failures are never a verdict: each kind has its status, and
// only where nothing was started the caller may send the request again.
func TestErrorTable(t *testing.T) {
	for kind, want := range map[cupel.Kind]struct {
		status int
		again  bool
	}{
		cupel.Invalid: {400, false}, cupel.NotFound: {404, false}, cupel.Exists: {409, false},
		cupel.Unsupported: {422, false}, cupel.Exhausted: {429, true}, cupel.Unavailable: {503, true},
		cupel.Closed: {503, true}, cupel.Internal: {500, false},
	} {
		fail := &cupel.Error{Kind: kind, Op: "test", Hint: "try this", Err: errors.New("it failed")}
		p := start(t, options{fake: &fake.Config{OnExec: func(context.Context, *fake.Sandbox, cupel.Cmd) (cupel.Result, error) {
			return cupel.Result{}, fail
		}}})
		for _, path := range []string{"/v1/run", "/v1/run?stream=1"} {
			for _, fresh := range []string{"false", "true"} {
				resp, body := p.call("POST", path, `{"args": ["x"], "fresh": `+fresh+`}`)
				wantError(t, resp, body, want.status, kind, "test: it failed", "try this")
				if again := resp.Header.Get("Retry-After") != ""; again != want.again {
					t.Errorf("%s: Retry-After is %v", kind, again)
				}
			}
		}
		sb, err := p.client("").CreateSandbox(t.Context(), cupel.Spec{})
		if err != nil {
			t.Fatal(err)
		}
		resp, body := p.call("POST", "/v1/sandboxes/"+sb.ID()+"/exec", `{"args": ["x"]}`)
		wantError(t, resp, body, want.status, kind, "it failed")
		if again := resp.Header.Get("Retry-After") != ""; again != (kind == cupel.Exhausted) {
			t.Errorf("exec, %s: Retry-After is %v, and the sandbox may have changed", kind, again)
		}
	}
}

// An engine that makes no sandboxes is an error of each route that needs one.
func TestNoSandbox(t *testing.T) {
	p := start(t, options{fake: &fake.Config{OnCreate: func(context.Context, cupel.Spec) error {
		return cupel.Errorf(cupel.Unavailable, "create", "no namespaces")
	}}})
	for path, body := range map[string]string{
		"/v1/run": `{"args": ["x"]}`, "/v1/sandboxes": `{}`, "/v1/pools": `{}`,
	} {
		resp, got := p.call("POST", path, body)
		wantError(t, resp, got, 503, cupel.Unavailable, "no namespaces")
	}
	if resp, body := p.call("GET", "/v1/pools", ""); body != `{"pools":[]}`+"\n" {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

// A missing toolchain is no verdict.
func TestMissingToolchain(t *testing.T) {
	p := start(t, options{fake: &fake.Config{OnExec: func(context.Context, *fake.Sandbox, cupel.Cmd) (cupel.Result, error) {
		return fake.Exit(127), nil
	}}})
	resp, body := p.call("POST", "/v1/run", `{"language": "python", "source": "1"}`)
	wantError(t, resp, body, 422, cupel.Unsupported, "python3", "apt install python3")
	resp, body = p.call("POST", "/v1/run", `{"args": ["none"]}`)
	if resp.StatusCode != http.StatusOK || !strings.Contains(body, `"exit_code":127`) {
		t.Errorf("a command that isn't there: %d %s", resp.StatusCode, body)
	}
}

// waiting is a program that runs until its context ends.
func waiting(began chan<- struct{}, ended chan<- error) func(context.Context, *fake.Sandbox, cupel.Cmd) (cupel.Result, error) {
	return func(ctx context.Context, _ *fake.Sandbox, cmd cupel.Cmd) (cupel.Result, error) {
		io.WriteString(cmd.Stdout, "begun\n")
		began <- struct{}{}
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return cupel.Result{ExitCode: -1}, &cupel.Error{Kind: cupel.Canceled, Op: "exec", Err: context.Cause(ctx)}
	}
}

// A caller that goes away ends its program, and leaves nothing of a fresh run.
func TestCallerGone(t *testing.T) {
	began, ended := make(chan struct{}, 1), make(chan error, 1)
	p := start(t, options{fake: &fake.Config{OnExec: waiting(began, ended)}})
	c := p.client("")
	for _, stream := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			req := api.RunRequest{Args: []string{"x"}, Fresh: true}
			var err error
			if stream {
				_, err = c.RunStream(ctx, req, io.Discard, io.Discard)
			} else {
				_, err = c.Run(ctx, req)
			}
			failed <- err
		}()
		<-began
		cancel()
		wantKind(t, <-failed, cupel.Canceled)
		<-ended
		eventually(t, "the sandbox's end", func() bool { return p.fake.Counts().Open == 0 })
	}
}

// Closing the server ends what runs, with an error, and everything that
// callers made.
func TestClose(t *testing.T) {
	began, ended := make(chan struct{}, 2), make(chan error, 2)
	p := start(t, options{fake: &fake.Config{OnExec: waiting(began, ended)}})
	c := p.client("")
	sb, err := c.CreateSandbox(t.Context(), cupel.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		resp, body := p.call("POST", "/v1/run", `{"args": ["x"]}`)
		wantError(t, resp, body, 503, cupel.Closed, "closing")
		var doc api.Error
		json.Unmarshal([]byte(body), &doc)
		if doc.Result == nil || doc.Result.Stdout != "begun\n" || doc.Result.Status != "" {
			t.Errorf("what was seen until then: %s", body)
		}
	})
	wg.Go(func() {
		var out bytes.Buffer
		_, err := sb.Exec(t.Context(), cupel.Cmd{Args: []string{"x"}, Stdout: &out})
		wantKind(t, err, cupel.Closed)
		if out.String() != "begun\n" {
			t.Errorf("output %q", out.String())
		}
	})
	<-began
	<-began
	for range 2 {
		wg.Go(func() {
			if err := p.server.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := p.service.Close(); err != nil {
		t.Error(err)
	}
	if n := p.fake.Counts(); n.Open != 0 {
		t.Errorf("%d sandboxes are open", n.Open)
	}
	resp, body := p.call("GET", "/v1/health", "")
	wantError(t, resp, body, 503, cupel.Closed)
}

// Deleting a sandbox ends its programs.
func TestDeleteEndsPrograms(t *testing.T) {
	began, ended := make(chan struct{}, 1), make(chan error, 1)
	p := start(t, options{fake: &fake.Config{OnExec: waiting(began, ended)}})
	c := p.client("")
	sb, err := c.CreateSandbox(t.Context(), cupel.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		_, err := c.Sandbox(sb.ID()).Exec(t.Context(), cupel.Cmd{Args: []string{"x"}})
		failed <- err
	}()
	<-began
	if d, err := sb.Describe(t.Context()); err != nil || d.Running != 1 {
		t.Errorf("%+v, %v", d, err)
	}
	if err := sb.Close(); err != nil {
		t.Error(err)
	}
	wantKind(t, <-failed, cupel.Closed)
	_, err = c.Sandbox(sb.ID()).Exec(t.Context(), cupel.Cmd{Args: []string{"x"}})
	wantKind(t, err, cupel.NotFound)
	_, err = sb.Exec(t.Context(), cupel.Cmd{Args: []string{"x"}})
	wantKind(t, err, cupel.Closed)
}

// A reset makes a sandbox pristine; one that could not be is gone.
func TestReset(t *testing.T) {
	fail := false
	p := start(t, options{fake: &fake.Config{OnReset: func(context.Context, *fake.Sandbox) error {
		if fail {
			return cupel.Errorf(cupel.Internal, "reset", "something is left")
		}
		return nil
	}}})
	sb, err := p.client("").CreateSandbox(t.Context(), cupel.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	defer sb.Close()
	err = sb.Reset(t.Context())
	if _, can := any((*service.Handle)(nil)).(cupel.Resetter); !can {
		wantKind(t, err, cupel.Unsupported)
		t.Skip("service.Handle has no Reset")
	}
	if err != nil || p.fake.Counts().Reset != 1 {
		t.Errorf("%v, %+v", err, p.fake.Counts())
	}
	fail = true
	wantKind(t, sb.Reset(t.Context()), cupel.Internal)
	_, err = sb.Describe(t.Context())
	wantKind(t, err, cupel.NotFound)
	if n := p.fake.Counts(); n.Open != 0 {
		t.Errorf("%+v", n)
	}
}

// A sandbox that nobody uses is removed, one in use is not.
func TestIdle(t *testing.T) {
	began, ended := make(chan struct{}, 1), make(chan error, 1)
	p := start(t, options{fake: &fake.Config{OnExec: waiting(began, ended)}, Config: Config{IdleTTL: 100 * time.Millisecond}})
	c := p.client("")
	idle, err := c.CreateSandbox(t.Context(), cupel.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	used, err := c.CreateSandbox(t.Context(), cupel.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go used.Exec(ctx, cupel.Cmd{Args: []string{"x"}})
	<-began
	eventually(t, "the idle one's end", func() bool { return p.fake.Counts().Open == 1 })
	_, err = idle.Describe(t.Context())
	wantKind(t, err, cupel.NotFound)
	if list, err := c.Sandboxes(t.Context()); err != nil || len(list) != 1 || list[0].ID != used.ID() || list[0].Running != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	cancel()
	eventually(t, "the used one's end", func() bool { return p.fake.Counts().Open == 0 })
}

// What belongs to one key isn't there for another.
func TestKeys(t *testing.T) {
	p := start(t, options{fake: &fake.Config{}, door: door.Config{Keys: []door.Key{
		{Name: "ann", Secret: "the-secret-of-ann-0123"}, {Name: "bob", Secret: "the-secret-of-bob-0123"},
	}}})
	ann, bob := p.client("the-secret-of-ann-0123"), p.client("the-secret-of-bob-0123")
	sb, err := ann.CreateSandbox(t.Context(), cupel.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	pool, err := ann.CreatePool(t.Context(), cupel.Spec{}, 2)
	if err != nil {
		t.Fatal(err)
	}
	theirs := bob.Sandbox(sb.ID())
	_, err = theirs.Describe(t.Context())
	wantKind(t, err, cupel.NotFound)
	_, err = theirs.Exec(t.Context(), cupel.Cmd{Args: []string{"x"}})
	wantKind(t, err, cupel.NotFound)
	_, err = theirs.Get(t.Context(), "/work")
	wantKind(t, err, cupel.NotFound)
	wantKind(t, theirs.Put(t.Context(), "/work", strings.NewReader("")), cupel.NotFound)
	wantKind(t, theirs.Reset(t.Context()), cupel.NotFound)
	if err := theirs.Close(); err != nil { // gone for bob; not for ann
		t.Error(err)
	}
	_, err = bob.Pool(t.Context(), pool.ID)
	wantKind(t, err, cupel.NotFound)
	_, err = bob.RunInPool(t.Context(), pool.ID, api.RunRequest{Args: []string{"x"}})
	wantKind(t, err, cupel.NotFound)
	if list, err := bob.Sandboxes(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	if list, err := bob.Pools(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := ann.RunInPool(t.Context(), pool.ID, api.RunRequest{Args: []string{"x"}}); err != nil {
		t.Error(err)
	}
	if got, err := ann.Pool(t.Context(), pool.ID); err != nil || got.Runs != 1 || got.Size != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := sb.Describe(t.Context()); err != nil {
		t.Errorf("ann's sandbox: %v", err)
	}
	resp, body := p.call("GET", "/v1/sandboxes", "")
	wantError(t, resp, body, 401, cupel.Invalid)
	resp, body = p.call("GET", "/v1/sandboxes?api_key=the-secret-of-ann-0123", "")
	if resp.StatusCode != http.StatusOK || !strings.Contains(body, sb.ID()) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

// A pool has its sandboxes before it is answered, and runs share it as long as
// they don't need more.
func TestPools(t *testing.T) {
	p := start(t, options{fake: &fake.Config{}, service: service.Config{Programs: 2}, Config: Config{Policy: Policy{MaxPools: 2}}})
	c := p.client("")
	pool, err := c.CreatePool(t.Context(), cupel.Spec{Env: map[string]string{"A": "B"}}, 5)
	if err != nil || pool.Size != 5 || pool.Runs != 0 {
		t.Fatalf("%+v, %v", pool, err)
	}
	if n := p.fake.Counts(); n.Create < 5 {
		t.Errorf("%d sandboxes were made, want 5", n.Create)
	}
	again, err := c.CreatePool(t.Context(), cupel.Spec{Env: map[string]string{"A": "B"}}, 3)
	if err != nil || again.ID != pool.ID || again.Size != 5 {
		t.Errorf("%+v, %v", again, err)
	}
	for _, l := range []api.Limits{{}, {Time: api.Duration(time.Second)}, {Memory: api.Size(cupel.MiB)}, {CPUs: 1}, {FileSize: 5}} {
		if _, err := c.Run(t.Context(), api.RunRequest{Args: []string{"x"}, Limits: l}); err != nil {
			t.Error(err)
		}
	}
	list, err := c.Pools(t.Context())
	if err != nil || len(list) != 2 || list[0].ID != pool.ID || list[1].Runs != 5 {
		t.Errorf("%+v, %v", list, err)
	}
	// No more pools: a run that would need one gets a fresh sandbox.
	before := p.fake.Counts()
	for range 2 {
		if _, err := c.Run(t.Context(), api.RunRequest{Args: []string{"x"}, Limits: api.Limits{Disk: api.Size(cupel.MiB)}}); err != nil {
			t.Error(err)
		}
	}
	if n := p.fake.Counts(); n.Create != before.Create+2 || n.Close != before.Close+2 {
		t.Errorf("before %+v, after %+v", before, n)
	}
	_, err = c.CreatePool(t.Context(), cupel.Spec{Dir: "/other"}, 1)
	wantKind(t, err, cupel.Exhausted)
}

// A program's limits are the request's even in a pool whose sandboxes could
// give more.
func TestLimitsOfARun(t *testing.T) {
	var got []cupel.Limits
	p := start(t, options{fake: &fake.Config{OnExec: func(_ context.Context, sb *fake.Sandbox, cmd cupel.Cmd) (cupel.Result, error) {
		limits, err := sb.Spec.Limits.Tighten(cmd.Limits)
		got = append(got, limits)
		return fake.OK(), err
	}}})
	c := p.client("")
	for _, fresh := range []bool{false, true} {
		got = nil
		_, err := c.Run(t.Context(), api.RunRequest{Language: "c", Limits: api.Limits{Memory: api.Size(cupel.GiB)}, Fresh: fresh})
		if err != nil || len(got) != 2 {
			t.Fatalf("%v, %v", got, err)
		}
		run := cupel.DefaultLimits()
		run.Memory = cupel.GiB
		compile := run
		compile.Time, compile.CPUTime = 30*time.Second, 30*time.Second
		if got[0] != compile || got[1] != run {
			t.Errorf("fresh %v: compiled with %+v, ran with %+v", fresh, got[0], got[1])
		}
	}
}

// What failed after output was sent is the last event, and no result.
func TestStreamError(t *testing.T) {
	p := start(t, options{fake: &fake.Config{OnExec: func(_ context.Context, _ *fake.Sandbox, cmd cupel.Cmd) (cupel.Result, error) {
		io.WriteString(cmd.Stdout, "so far")
		return cupel.Result{}, cupel.Errorf(cupel.Unavailable, "exec", "the machine failed")
	}}})
	resp, body := p.call("POST", "/v1/run", `{"args": ["x"]}`, "Accept", "text/event-stream, */*")
	if resp.StatusCode != http.StatusOK || !strings.HasSuffix(body, "event: error\ndata: "+`{"error":{"kind":"unavailable","message":"exec: the machine failed","hint":""}}`+"\n\n") ||
		strings.Contains(body, "event: result") {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	_, err := p.client("").RunStream(t.Context(), api.RunRequest{Args: []string{"x"}}, nil, nil)
	wantKind(t, err, cupel.Unavailable)
	if resp, body := p.call("POST", "/v1/run?stream=0", `{"args": ["x"]}`, "Accept", "text/event-stream"); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

// A silent stream says that it lives, and stops when it ends.
func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := httptest.NewRecorder()
		ctx, cancel := context.WithCancelCause(t.Context())
		st := &stream{w: rec, lost: cancel, last: time.Now()}
		var wg sync.WaitGroup
		wg.Go(func() { st.beat(ctx) })
		time.Sleep(2*heartbeat + time.Second)
		cancel(nil)
		wg.Wait()
		if got := rec.Body.String(); got != ": alive\n\n: alive\n\n" || rec.Header().Get("Content-Type") != "text/event-stream" {
			t.Errorf("%q", got)
		}
	})
}

// Each program is an audit line.
func TestAudit(t *testing.T) {
	var log syncBuffer
	p := start(t, options{fake: &fake.Config{}, door: door.Config{Log: slog.New(slog.NewTextHandler(&log, nil))}})
	sb, err := p.client("").CreateSandbox(t.Context(), cupel.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	p.call("POST", "/v1/run", `{"language": "py", "source": "print(1)"}`)
	p.call("POST", "/v1/sandboxes/"+sb.ID()+"/exec", `{"args": ["ls"]}`)
	for _, want := range []string{
		"door=v1 key=\"\" sandbox=fake-", fmt.Sprintf("tool=python code_sha256=%x status=ok", sha256.Sum256([]byte("print(1)"))),
		"sandbox=" + sb.ID() + " tool=command",
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %q:\n%s", want, log.String())
		}
	}
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// What the door refuses is in this API's form.
func TestRefuse(t *testing.T) {
	for status, kind := range map[int]cupel.Kind{
		401: cupel.Invalid, 403: cupel.Invalid, 404: cupel.NotFound, 408: cupel.Invalid, 413: cupel.Invalid, 421: cupel.Invalid,
		429: cupel.Exhausted, 503: cupel.Unavailable, 500: cupel.Internal,
	} {
		rec := httptest.NewRecorder()
		Refuse(rec, httptest.NewRequest(http.MethodGet, "/v1/run", nil), status, "no")
		wantError(t, rec.Result(), rec.Body.String(), status, kind, "no")
	}
}
