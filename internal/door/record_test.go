package door

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"cupel.dev/cupel"
)

func TestAccessLine(t *testing.T) {
	s := serve(t, Config{Keys: []Key{{"one", secret}}}, echo)
	s.do(t, "PUT", "/sandbox/x y?target_dir=/a&b", "{}", "X-API-Key", secret, "X-Request-Id", "id", "Content-Type", "application/json")
	s.settle(t)
	lines := s.lines(t, "request")
	if len(lines) != 1 {
		t.Fatalf("%s", s)
	}
	got := lines[0]
	if ms, ok := got["ms"].(float64); !ok || ms <= 0 {
		t.Errorf("ms: %v", got["ms"])
	}
	delete(got, "ms")
	delete(got, "time")
	want := map[string]any{"level": "INFO", "msg": "request", "request": "id", "key": "one", "address": "127.0.0.1",
		"method": "PUT", "path": "/sandbox/x y?target_dir=REDACTED&REDACTED", "status": 200.0, "bytes": 2.0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestShownPath(t *testing.T) {
	for raw, want := range map[string]string{
		"/a/b":                         "/a/b",
		"/a?":                          "/a",
		"/a?x=1&y=2":                   "/a?x=REDACTED&y=REDACTED",
		"/a?x":                         "/a?REDACTED",
		"/a?x%3d1=2":                   "/a?REDACTED",
		"/a&api_key=1/b":               "/a&api_key=REDACTED",
		"http://u:p@h/a":               "/a",
		"/" + strings.Repeat("a", 600): "/" + strings.Repeat("a", 511) + "…",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := shownPath(u); got != want {
			t.Errorf("%s: %s", raw, got)
		}
	}
	if got := shownPath(&url.URL{Path: "/", RawQuery: strings.Repeat("a=1&", 1<<20)}); len(got) > maxShown+4 {
		t.Errorf("%d bytes of a long query", len(got))
	}
}

func TestExecuted(t *testing.T) {
	runs := map[string]Execution{
		"/ok": {Door: "enclave", Sandbox: "s1", Tool: "python_executor", Code: []byte("print(1)"), Waited: 2 * time.Millisecond,
			Result: cupel.Result{Status: cupel.StatusMemoryLimit, LimitsHit: []cupel.LimitName{cupel.LimitMemory},
				Usage: cupel.Usage{Wall: 1500 * time.Microsecond, CPUUser: time.Millisecond, CPUSys: time.Millisecond, MemoryPeak: 4096}}},
		"/files": {Door: "enclave", Sandbox: "s1", Tool: "file_operation", Result: cupel.Result{Status: cupel.StatusOK}},
		"/err":   {Door: "v1", Sandbox: "s2", Tool: "python", Code: []byte{}, Err: cupel.Errorf(cupel.Exhausted, "admit", "full")},
	}
	s := serveWith(t, Config{Keys: []Key{{"one", secret}}}, func(d *Door) *http.Server {
		return d.Server(d.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			d.Executed(r.Context(), runs[r.URL.Path])
		}), refuseJSON))
	})
	for _, path := range []string{"/ok", "/files", "/err"} {
		s.do(t, "POST", path, "", "X-API-Key", secret, "X-Request-Id", path[1:])
	}
	s.settle(t)
	got := s.lines(t, "execution")
	for _, line := range got {
		delete(line, "time")
	}
	want := []map[string]any{
		{"level": "INFO", "msg": "execution", "request": "ok", "door": "enclave", "key": "one", "sandbox": "s1", "tool": "python_executor",
			"code_sha256": string(sha256Hex("print(1)")), "status": "memory_limit", "limits_hit": []any{"memory"},
			"wall_ms": 1.5, "cpu_ms": 2.0, "memory_peak": 4096.0, "waited_ms": 2.0},
		{"level": "INFO", "msg": "execution", "request": "files", "door": "enclave", "key": "one", "sandbox": "s1", "tool": "file_operation",
			"status": "ok", "limits_hit": []any{}, "wall_ms": 0.0, "cpu_ms": 0.0, "memory_peak": 0.0, "waited_ms": 0.0},
		{"level": "INFO", "msg": "execution", "request": "err", "door": "v1", "key": "one", "sandbox": "s2", "tool": "python",
			"code_sha256": string(sha256Hex("")), "status": "error", "kind": "exhausted", "error": "admit: full", "waited_ms": 0.0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// scrape returns the samples of the door's own metrics.
func scrape(t *testing.T, d *Door) map[string]string {
	t.Helper()
	w := httptest.NewRecorder()
	d.MetricsHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != 200 {
		t.Fatal(w.Code, w.Body)
	}
	out := map[string]string{}
	for line := range strings.Lines(w.Body.String()) {
		line = strings.TrimSpace(line)
		space := strings.LastIndexByte(line, ' ')
		out[line[:space]] = line[space+1:]
	}
	return out
}

func TestMetrics(t *testing.T) {
	h := http.NewServeMux()
	h.Handle("POST /sandbox/{id}", echo)
	h.Handle("/health", echo)
	h.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("x") })
	s := serve(t, Config{Loopback: true, Origins: []string{"https://example.org"}}, h)
	for i := range 20 {
		s.do(t, "POST", fmt.Sprintf("/sandbox/%d", i), "")
		s.do(t, "GET", fmt.Sprintf("/nothing/%d", i), "")
		s.do(t, fmt.Sprintf("M%d", i), "/health", "")
	}
	s.do(t, "GET", "/panic", "")
	s.do(t, "GET", "/health", "", "Host", "evil")
	s.do(t, "OPTIONS", "/health", "", "Origin", "https://example.org", "Access-Control-Request-Method", "GET")
	s.settle(t)
	s.door.Executed(t.Context(), Execution{Door: "v1", Tool: "python", Result: cupel.Result{Status: cupel.StatusOK, Usage: cupel.Usage{Wall: time.Second}}, Waited: time.Minute})
	s.door.Executed(t.Context(), Execution{Door: "v1", Tool: "python", Err: errors.New("x")})
	got := scrape(t, s.door)
	for name, want := range map[string]string{
		`cupel_http_requests_total{code="200",method="POST",route="/sandbox/{id}"}`: "20",
		`cupel_http_requests_total{code="404",method="GET",route="other"}`:          "20",
		`cupel_http_requests_total{code="200",method="other",route="/health"}`:      "20",
		`cupel_http_requests_total{code="500",method="GET",route="/panic"}`:         "1",
		`cupel_http_requests_total{code="421",method="GET",route="refused"}`:        "1",
		`cupel_http_requests_total{code="204",method="OPTIONS",route="preflight"}`:  "1",
		`cupel_http_request_seconds_count{method="POST",route="/sandbox/{id}"}`:     "20",
		`cupel_http_requests_in_flight`:                                             "0",
		`cupel_executions_total{door="v1",status="ok",tool="python"}`:               "1",
		`cupel_executions_total{door="v1",status="error",tool="python"}`:            "1",
		`cupel_execution_wall_seconds_sum{door="v1"}`:                               "1",
		`cupel_execution_wall_seconds_count{door="v1"}`:                             "1",
		`cupel_execution_wait_seconds_sum{door="v1"}`:                               "60",
		`cupel_execution_wait_seconds_count{door="v1"}`:                             "2",
		`cupel_execution_wait_seconds_bucket{door="v1",le="60"}`:                    "2",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if got["go_goroutines"] == "" {
		t.Error("no metrics of the Go runtime")
	}
	n := 0
	for name := range got {
		if strings.HasPrefix(name, "cupel_http_requests_total") {
			n++
		}
	}
	if n != 6 {
		t.Errorf("%d series of requests", n)
	}
}

// TestToolsAreBounded: whatever tools are named, there is an end to series.
func TestToolsAreBounded(t *testing.T) {
	d, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		d.Executed(t.Context(), Execution{Door: "v1", Tool: fmt.Sprint("t", i), Err: errors.New("x")})
	}
	d.Executed(t.Context(), Execution{Door: "v1", Tool: "a b", Err: errors.New("x")})
	d.Executed(t.Context(), Execution{Door: "v1", Tool: "t0", Err: errors.New("x")})
	got := scrape(t, d)
	if v := got[`cupel_executions_total{door="v1",status="error",tool="other"}`]; v != fmt.Sprint(1000-maxTools+1) {
		t.Errorf("other: %s", v)
	}
	if v := got[`cupel_executions_total{door="v1",status="error",tool="t0"}`]; v != "2" {
		t.Errorf("t0: %s", v)
	}
}

func TestRegistry(t *testing.T) {
	own := prometheus.NewRegistry()
	d, err := New(Config{Metrics: own})
	if err != nil || d.Registry() != own {
		t.Fatal(err)
	}
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "cupel_sandboxes"})
	d.Registry().MustRegister(gauge)
	gauge.Set(3)
	if got := scrape(t, d)["cupel_sandboxes"]; got != "3" {
		t.Errorf("cupel_sandboxes is %q", got)
	}
	if _, err := New(Config{Metrics: own}); cupel.KindOf(err) != cupel.Invalid {
		t.Errorf("two doors on one registry: %v", err)
	}
}

// TestQuietLog: below the log's level nothing is written.
func TestQuietLog(t *testing.T) {
	var buf bytes.Buffer
	d, err := New(Config{Log: slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: slog.LevelError}))})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	d.Wrap(echo, refuseJSON).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	d.Executed(t.Context(), Execution{})
	if w.Code != 200 || buf.Len() > 0 {
		t.Errorf("%d %s", w.Code, &buf)
	}
}

// BenchmarkWrap measures what the door adds to a request: with keys, metrics
// and an access line.
func BenchmarkWrap(b *testing.B) {
	for name, log := range map[string]*slog.Logger{"silent": nil, "logged": slog.New(slog.NewJSONHandler(io.Discard, nil))} {
		b.Run(name, func(b *testing.B) {
			d, err := New(Config{Keys: []Key{{"one", secret}, {"two", "0123456789abcdef"}}, Log: log})
			if err != nil {
				b.Fatal(err)
			}
			mux := http.NewServeMux()
			mux.HandleFunc("GET /sandbox/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
			h := d.Wrap(mux, refuseJSON)
			r := httptest.NewRequest(http.MethodGet, "/sandbox/a", nil)
			r.Header.Set("X-API-Key", secret)
			w := recorderHeader{}
			b.ReportAllocs()
			for b.Loop() {
				clear(w)
				h.ServeHTTP(w, r)
			}
		})
	}
}
