package door

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cupel.dev/cupel"
)

func TestRequestID(t *testing.T) {
	s := serve(t, Config{Loopback: true}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, CallerOf(r.Context()).Request)
	}))
	seen := map[string]bool{}
	for given, taken := range map[string]bool{
		"abc-1._Z": true, strings.Repeat("a", 64): true,
		"": false, strings.Repeat("a", 65): false, "a b": false, "a/b": false, "ä": false, "a\tb": false,
	} {
		resp, text := s.do(t, "GET", "/", "", "X-Request-Id", given)
		id := resp.Header.Get("X-Request-Id")
		if text != id || (id == given) != taken || !isToken(id) || seen[id] {
			t.Errorf("given %q: header %q, caller %q", given, id, text)
		}
		seen[id] = true
	}
	resp, _ := s.do(t, "GET", "/", "", "Host", "evil", "X-Request-Id", "mine")
	if resp.StatusCode != http.StatusMisdirectedRequest || resp.Header.Get("X-Request-Id") != "mine" {
		t.Errorf("refused: %d %v", resp.StatusCode, resp.Header)
	}
	s.settle(t)
	for _, line := range s.lines(t, "request") {
		if id := line["request"].(string); !seen[id] && id != "mine" {
			t.Errorf("the log has %q", id)
		}
	}
}

func TestInFlight(t *testing.T) {
	const most = 3
	in, out := make(chan struct{}), make(chan struct{})
	s := serve(t, Config{Loopback: true, MaxRequests: most}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			in <- struct{}{}
			<-out
		}
	}))
	var wg sync.WaitGroup
	for range most {
		wg.Go(func() {
			if resp, _ := s.do(t, "GET", "/wait", ""); resp.StatusCode != http.StatusOK {
				t.Error(resp.Status)
			}
		})
	}
	for range most {
		<-in
	}
	resp, text := s.do(t, "GET", "/", "")
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "1" || !strings.Contains(text, "try again") {
		t.Errorf("one more: %s %v %s", resp.Status, resp.Header, text)
	}
	close(out)
	wg.Wait()
	s.settle(t)
	if n := s.door.inFlight.Load(); n != 0 {
		t.Errorf("%d are in flight at the end", n)
	}
}

func TestPanics(t *testing.T) {
	h := http.NewServeMux()
	h.HandleFunc("/before", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("ETag", "x")
		panic("the handler's own words")
	})
	h.HandleFunc("/after", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "half")
		w.(http.Flusher).Flush()
		panic(errors.New("too late"))
	})
	h.HandleFunc("/unflushed", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "half")
		panic("too late")
	})
	h.HandleFunc("/abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	h.HandleFunc("/nil", func(http.ResponseWriter, *http.Request) { panic(nil) })
	s := serve(t, Config{Loopback: true}, h)
	get := func(path string) string {
		return s.raw(t, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: id"+path[1:]+"\r\nConnection: close\r\n\r\n")
	}
	for _, path := range []string{"/before", "/nil"} {
		got := get(path)
		if !strings.HasPrefix(got, "HTTP/1.1 500 ") || !strings.Contains(got, `"the server made a mistake; its log has more under the request id id`+path[1:]) ||
			strings.Contains(got, "gzip") || strings.Contains(got, "Etag") || strings.Contains(got, "own words") || strings.Count(got, "HTTP/1.1") != 1 {
			t.Errorf("%s: %q", path, got)
		}
	}
	got := get("/after")
	if !strings.HasPrefix(got, "HTTP/1.1 200 ") || !strings.HasSuffix(got, "half\r\n") {
		t.Errorf("/after: %q, which ends as if it were whole, or has more", got)
	}
	for _, path := range []string{"/unflushed", "/abort"} {
		if got := get(path); got != "" {
			t.Errorf("%s: %q", path, got)
		}
	}
	s.settle(t)
	var panics []string
	for _, line := range s.lines(t, "panic") {
		panics = append(panics, line["request"].(string))
		if !strings.Contains(line["stack"].(string), "TestPanics") || line["level"] != "ERROR" {
			t.Errorf("no stack: %v", line)
		}
	}
	if diff := cmp.Diff([]string{"idbefore", "idnil", "idafter", "idunflushed"}, panics); diff != "" {
		t.Error(diff)
	}
	var statuses []float64
	for _, line := range s.lines(t, "request") {
		statuses = append(statuses, line["status"].(float64))
	}
	if diff := cmp.Diff([]float64{500, 500, 200, 200, 500}, statuses); diff != "" {
		t.Error(diff)
	}
	if n := s.door.inFlight.Load(); n != 0 {
		t.Errorf("%d are in flight at the end", n)
	}
}

// TestRefusePanics: even a dialect that fails to refuse leaves a line, and no
// request in flight.
func TestRefusePanics(t *testing.T) {
	s := serveWith(t, Config{}, func(d *Door) *http.Server {
		return d.Server(d.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("first") }),
			func(http.ResponseWriter, *http.Request, int, string) { panic("second") }))
	})
	if got := s.raw(t, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); got != "" {
		t.Errorf("%q", got)
	}
	s.settle(t)
	if n := s.door.inFlight.Load(); n != 0 || len(s.lines(t, "request")) != 1 {
		t.Errorf("%d in flight; log: %s", n, s)
	}
}

// TestWriterPowers: a handler can flush, hijack, send informational statuses
// and set deadlines, by assertion as by http.ResponseController.
func TestWriterPowers(t *testing.T) {
	h := http.NewServeMux()
	h.HandleFunc("/flush", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusAccepted)
		w.(http.Flusher).Flush()
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		_, _ = io.Copy(w, strings.NewReader("abc"))
		_, _ = io.WriteString(w, "de")
		w.WriteHeader(http.StatusTeapot) // too late, and not what was sent
	})
	hijack := func(take func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error)) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := take(w)
			if err != nil {
				t.Error(err)
				return
			}
			fmt.Fprint(conn, "mine")
			conn.Close()
		}
	}
	h.Handle("/hijack", hijack(func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) { return w.(http.Hijacker).Hijack() }))
	h.Handle("/control", hijack(func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
		return http.NewResponseController(w).Hijack()
	}))
	s := serve(t, Config{Loopback: true}, h)
	get := func(path string) string {
		return s.raw(t, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	}
	if got := get("/flush"); !strings.HasPrefix(got, "HTTP/1.1 103 ") || strings.Count(got, "HTTP/1.1 202 ") != 1 {
		t.Errorf("%q", got)
	}
	for _, path := range []string{"/hijack", "/control"} {
		if got := get(path); got != "mine" {
			t.Errorf("%s: %q", path, got)
		}
	}
	s.settle(t)
	var got []string
	for _, l := range s.lines(t, "request") {
		got = append(got, fmt.Sprint(l["path"], " ", l["status"], " ", l["bytes"]))
	}
	if diff := cmp.Diff([]string{"/flush 202 5", "/hijack 101 0", "/control 101 0"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestCaller(t *testing.T) {
	callers := make(chan Caller, 8)
	s := serve(t, Config{Keys: []Key{{"one", secret}}}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		callers <- CallerOf(ctx)
	}))
	conn := s.dial(t)
	r := bufio.NewReader(conn)
	for _, id := range []string{"a", "b"} {
		fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: a\r\nX-API-Key: %s\r\nX-Request-Id: %s\r\n\r\n", secret, id)
		if _, err := http.ReadResponse(r, nil); err != nil {
			t.Fatal(err)
		}
	}
	s.raw(t, "GET / HTTP/1.1\r\nHost: a\r\nX-API-Key: "+secret+"\r\nX-Request-Id: c\r\nConnection: close\r\n\r\n")
	a, b, c := <-callers, <-callers, <-callers
	want := Caller{Key: "one", Address: "127.0.0.1", Connection: a.Connection, Peer: conn.LocalAddr().String(), Local: s.addr, Request: "a"}
	if diff := cmp.Diff(want, a); diff != "" || a.Connection == 0 {
		t.Errorf("connection %d\n%s", a.Connection, diff)
	}
	want.Request = "b"
	if diff := cmp.Diff(want, b); diff != "" {
		t.Error(diff)
	}
	if c.Connection == a.Connection || c.Connection == 0 || c.Request != "c" {
		t.Errorf("another connection: %+v", c)
	}
	if got := CallerOf(t.Context()); got != (Caller{}) {
		t.Errorf("nobody is %+v", got)
	}
}

// TestClientGone: a client that leaves ends the request's context, and is
// written down.
func TestClientGone(t *testing.T) {
	in := make(chan struct{})
	s := serve(t, Config{Loopback: true}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(in)
		<-r.Context().Done()
	}))
	conn := s.dial(t)
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	<-in
	conn.Close()
	s.settle(t)
	if lines := s.lines(t, "request"); len(lines) != 1 || lines[0]["status"] != 499.0 {
		t.Errorf("%v", lines)
	}
}

// TestClientGoneAfterBody: the same when there was a body.
func TestClientGoneAfterBody(t *testing.T) {
	in := make(chan struct{})
	s := serve(t, Config{Loopback: true, Stall: time.Hour}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		close(in)
		<-r.Context().Done()
	}))
	conn := s.dial(t)
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
	<-in
	conn.Close()
	s.settle(t)
}

func TestHeaderLimit(t *testing.T) {
	s := serve(t, Config{Loopback: true}, echo)
	head := "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
	if got := s.raw(t, head+"X-A: "+strings.Repeat("a", 30<<10)+"\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("30 KiB: %.100q", got)
	}
	if got := s.raw(t, head+"X-A: "+strings.Repeat("a", 40<<10)+"\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 431 ") {
		t.Errorf("40 KiB: %.100q", got)
	}
	many := head + strings.Repeat("a: b\r\n", 10000) + "\r\n"
	if got := s.raw(t, many); !strings.HasPrefix(got, "HTTP/1.1 431 ") {
		t.Errorf("many: %.100q", got)
	}
}

func TestServerTimes(t *testing.T) {
	d, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	s := d.Server(echo)
	if s.ReadHeaderTimeout <= 0 || s.IdleTimeout <= 0 || s.ReadTimeout != 0 || s.WriteTimeout != 0 || s.ErrorLog == nil {
		t.Errorf("%+v", s)
	}
	// The same rule, made short.
	h := serveWith(t, Config{}, func(d *Door) *http.Server {
		s := d.Server(d.Wrap(echo, refuseJSON))
		s.ReadHeaderTimeout, s.IdleTimeout = 100*time.Millisecond, 100*time.Millisecond
		return s
	})
	if got := h.raw(t, "GET / HTTP/1.1\r\nHost: a\r\nX-Slow"); strings.HasPrefix(got, "HTTP/1.1 2") {
		t.Errorf("a header that does not end: %q", got)
	}
	if got := h.raw(t, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("idle: %q", got)
	}
}

func TestRetryAfter(t *testing.T) {
	for kind, want := range map[cupel.Kind]string{
		cupel.Exhausted: "1", cupel.Unavailable: "1", cupel.Closed: "1",
		cupel.Invalid: "", cupel.Internal: "", cupel.Canceled: "", cupel.NotFound: "", cupel.Unsupported: "",
	} {
		h := recorderHeader{}
		RetryAfter(h, fmt.Errorf("x: %w", cupel.Errorf(kind, "op", "cause")))
		if got := http.Header(h).Get("Retry-After"); got != want {
			t.Errorf("%s: %q", kind, got)
		}
	}
	h := recorderHeader{}
	if RetryAfter(h, nil); len(h) != 0 {
		t.Errorf("nil: %v", h)
	}
}

type recorderHeader http.Header

func (h recorderHeader) Header() http.Header       { return http.Header(h) }
func (recorderHeader) Write(p []byte) (int, error) { return len(p), nil }
func (recorderHeader) WriteHeader(int)             {}
