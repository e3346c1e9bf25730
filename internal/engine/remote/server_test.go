package remote_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/engine/remote"
)

// scripted is a server that answers as the test says; /health is well unless
// it is scripted.
type scripted struct {
	*httptest.Server
	asked map[string]*atomic.Int64
}

func newScripted(t *testing.T, routes map[string]http.HandlerFunc) *scripted {
	t.Helper()
	s := &scripted{asked: map[string]*atomic.Int64{}}
	mux := http.NewServeMux()
	if routes["GET /health"] == nil {
		mux.HandleFunc("GET /health", says(200, `{"healthy":true,"version":"1.0.0","system_info":{}}`))
	}
	for pattern, handle := range routes {
		count := &atomic.Int64{}
		s.asked[pattern] = count
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			count.Add(1)
			handle(w, r)
		})
	}
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

func open(t *testing.T, cfg remote.Config) *remote.Engine {
	t.Helper()
	e, err := remote.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	for name, tt := range map[string]struct {
		url        string
		kind       cupel.Kind
		says, hint string
	}{
		"nobody":        {"http://" + dead.Addr().String(), cupel.Unavailable, "no answer", "base_url"},
		"key":           {newScripted(t, map[string]http.HandlerFunc{"GET /health": says(401, `{"detail":"Unauthorized"}`)}).URL, cupel.Invalid, "401", "api_key"},
		"another site":  {newScripted(t, map[string]http.HandlerFunc{"GET /health": says(200, `<html>`)}).URL, cupel.Unsupported, "no ms-enclave server", "base_url"},
		"no such route": {newScripted(t, map[string]http.HandlerFunc{"GET /health": says(404, `404 page not found`)}).URL, cupel.Unsupported, "no ms-enclave server", "base_url"},
		"a redirect":    {newScripted(t, map[string]http.HandlerFunc{"GET /health": says(302, ``)}).URL, cupel.Unsupported, "no ms-enclave server", "base_url"},
		"ill":           {newScripted(t, map[string]http.HandlerFunc{"GET /health": says(200, `{"healthy":false}`)}).URL, cupel.Unavailable, "not healthy", ""},
	} {
		e, err := remote.Open(t.Context(), remote.Config{BaseURL: tt.url})
		if e != nil || cupel.KindOf(err) != tt.kind || !strings.Contains(fmt.Sprint(err), tt.says) || !strings.Contains(cupel.HintOf(err), tt.hint) {
			t.Errorf("%s: %v, %v (hint %q)", name, cupel.KindOf(err), err, cupel.HintOf(err))
		}
	}
}

// The key goes with every request, in a header alone.
func TestKey(t *testing.T) {
	s := newScripted(t, map[string]http.HandlerFunc{"POST /sandbox/create": func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-API-Key") != "secret" || strings.Contains(r.URL.String(), "secret") {
			t.Errorf("the request is %s with %v", r.URL, r.Header)
		}
		says(200, `{"sandbox_id":"x"}`)(w, r)
	}, "DELETE /sandbox/x": says(200, `{}`)})
	e := open(t, remote.Config{BaseURL: s.URL + "/", APIKey: "secret"})
	if _, err := e.Create(t.Context(), cupel.Spec{}); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil || s.asked["DELETE /sandbox/x"].Load() != 1 {
		t.Errorf("Close = %v after %d deletions", err, s.asked["DELETE /sandbox/x"].Load())
	}
}

// What Create asks for; upstream's clients send these names.
func TestCreateConfig(t *testing.T) {
	var got map[string]any
	s := newScripted(t, map[string]http.HandlerFunc{"POST /sandbox/create": func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "sandbox_type=docker" {
			t.Errorf("query %s", r.URL.RawQuery)
		}
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		says(200, `{"sandbox_id":"x"}`)(w, r)
	}, "DELETE /sandbox/x": says(404, `{"detail":"Sandbox not found"}`)})
	e := open(t, remote.Config{BaseURL: s.URL})
	sb, err := e.Create(t.Context(), cupel.Spec{Env: map[string]string{"TOKEN": "secret"}, Limits: cupel.Limits{Memory: 100 * cupel.MiB, CPUs: 0.5}})
	if err != nil {
		t.Fatal(err)
	}
	if err := sb.Close(); err != nil {
		t.Errorf("a sandbox that the server forgot: Close = %v", err)
	}
	delete(got, "command")
	delete(got, "entrypoint")
	doc, _ := json.Marshal(got)
	want := `{"cpu_limit":0.5,"image":"python:3.11-slim","memory_limit":"100m","network_enabled":false,"tools_config":{"shell_executor":{}},"working_dir":"/work"}`
	if string(doc) != want {
		t.Errorf("config %s, want %s", doc, want)
	}
}

func TestCreateRefusesWhatCantBeAsked(t *testing.T) {
	s := newScripted(t, map[string]http.HandlerFunc{"POST /sandbox/create": says(200, `{"sandbox_id":"x"}`)})
	e := open(t, remote.Config{BaseURL: s.URL})
	for name, spec := range map[string]cupel.Spec{
		"mounts":     {Mounts: []cupel.Mount{{Source: "/a", Target: "/b"}}},
		"privileges": {Privileges: cupel.PrivilegesContainer},
		"strict":     {Isolation: cupel.IsolationStrict},
		"user":       {User: "1000"},
		"processes":  {Limits: cupel.Limits{Processes: 7}},
		"disk":       {Limits: cupel.Limits{Disk: cupel.MiB}},
		"inodes":     {Limits: cupel.Limits{Inodes: 100}},
		"file size":  {Limits: cupel.Limits{FileSize: 100}},
		"image":      {Image: "dir:/x"},
	} {
		if sb, err := e.Create(t.Context(), spec); sb != nil || cupel.KindOf(err) != cupel.Unsupported || cupel.HintOf(err) == "" {
			t.Errorf("%s: %v, %v (hint %q)", name, sb, err, cupel.HintOf(err))
		}
	}
	if n := s.asked["POST /sandbox/create"].Load(); n != 0 {
		t.Errorf("the server was asked %d times", n)
	}
}

// Refusals of a server are errors of the right kind, made again only where
// nothing was begun.
func TestRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		body   string
		kind   cupel.Kind
		tries  int64
	}{
		"no image":     {400, `{"detail":"Failed to create sandbox: Failed to start Docker sandbox: Failed to pull image x: 404"}`, cupel.NotFound, 1},
		"no docker":    {400, `{"detail":"Failed to create sandbox: Failed to start Docker sandbox: Error while fetching server API version"}`, cupel.Unavailable, 1},
		"bad value":    {400, `{"detail":"Failed to create sandbox: 1 validation error for DockerSandboxConfig"}`, cupel.Invalid, 1},
		"not valid":    {422, `{"detail":[{"type":"x","loc":["query","sandbox_type"],"msg":"Input should be"}]}`, cupel.Invalid, 1},
		"key":          {403, `{}`, cupel.Invalid, 1},
		"too many":     {429, `{"detail":"later"}`, cupel.Exhausted, 4},
		"overloaded":   {503, `{"detail":"later"}`, cupel.Unavailable, 4},
		"broken":       {500, `Internal Server Error`, cupel.Unavailable, 1},
		"proxy":        {502, `<html>`, cupel.Unavailable, 1},
		"another site": {405, `<html>`, cupel.Unsupported, 1},
		"no JSON":      {200, `<html>`, cupel.Unsupported, 1},
		"no id":        {200, `{}`, cupel.Unsupported, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScripted(t, map[string]http.HandlerFunc{"POST /sandbox/create": says(tt.status, tt.body)})
			sb, err := open(t, remote.Config{BaseURL: s.URL}).Create(t.Context(), cupel.Spec{})
			if n := s.asked["POST /sandbox/create"].Load(); sb != nil || cupel.KindOf(err) != tt.kind || n != tt.tries {
				t.Errorf("%v of kind %s after %d tries, want kind %s after %d", err, cupel.KindOf(err), n, tt.kind, tt.tries)
			}
		})
	}
}

// Once a request that makes something was sent, it is not made again.
func TestLostAnswer(t *testing.T) {
	cut := func(w http.ResponseWriter, _ *http.Request) {
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			conn.Close()
		}
	}
	s := newScripted(t, map[string]http.HandlerFunc{"POST /sandbox/create": cut, "POST /sandbox/tool/execute": cut})
	_, err := open(t, remote.Config{BaseURL: s.URL}).Create(t.Context(), cupel.Spec{})
	if n := s.asked["POST /sandbox/create"].Load(); cupel.KindOf(err) != cupel.Unavailable || n != 1 {
		t.Errorf("%v after %d tries", err, n)
	}
}

// A server that says to come back later is asked later.
func TestRetryAfter(t *testing.T) {
	var n atomic.Int64
	s := newScripted(t, map[string]http.HandlerFunc{"POST /sandbox/create": func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			w.Header().Set("Retry-After", "1")
			says(503, `{"detail":"later"}`)(w, r)
			return
		}
		says(200, `{"sandbox_id":"x"}`)(w, r)
	}, "DELETE /sandbox/x": says(200, `{}`)})
	e := open(t, remote.Config{BaseURL: s.URL})
	began := time.Now()
	if _, err := e.Create(t.Context(), cupel.Spec{}); err != nil || time.Since(began) < time.Second {
		t.Errorf("Create = %v after %v", err, time.Since(began))
	}
	n.Store(0)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := e.Create(ctx, cupel.Spec{}); cupel.KindOf(err) != cupel.Canceled {
		t.Errorf("Create while it is to wait = %v, want kind canceled", err)
	}
}

// A tool's result that holds no frame is never taken for the program's, unless
// what ended it is known and the sandbox works.
func TestNoFrame(t *testing.T) {
	s := newScripted(t, map[string]http.HandlerFunc{
		"POST /sandbox/create": says(200, `{"sandbox_id":"x"}`), "DELETE /sandbox/x": says(200, `{}`),
		"POST /sandbox/tool/execute": says(200, `{"status":"error","tool_name":"shell_executor","output":"","error":"409 Client Error: container is not running"}`),
	})
	sb, err := open(t, remote.Config{BaseURL: s.URL}).Create(t.Context(), cupel.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	res, err := sb.Exec(t.Context(), cupel.Cmd{Args: []string{"true"}})
	if cupel.KindOf(err) != cupel.Unavailable || res.Status != "" || !strings.Contains(err.Error(), "not running") {
		t.Errorf("Exec = %+v, %v", res, err)
	}
}
