package door

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secret is a key's secret that appears nowhere else.
const secret = "s3cret-0123456789abcdef"

// journal collects what a door writes down.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

// lines returns the lines with the message.
func (j *journal) lines(t *testing.T, message string) []map[string]any {
	t.Helper()
	var out []map[string]any
	for line := range strings.Lines(j.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if m["msg"] == message {
			out = append(out, m)
		}
	}
	return out
}

// house is a real server behind a door.
type house struct {
	*journal
	door *Door
	http *http.Server
	addr string
	url  string
}

// refuseJSON is a dialect's way to refuse.
func refuseJSON(w http.ResponseWriter, _ *http.Request, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"detail": message})
}

// serve starts a server with the door and handler until the test ends.
func serve(t *testing.T, cfg Config, h http.Handler) *house {
	t.Helper()
	return serveWith(t, cfg, func(d *Door) *http.Server { return d.Server(d.Wrap(h, refuseJSON)) })
}

// serveWith is serve for a server that open makes.
func serveWith(t *testing.T, cfg Config, open func(*Door) *http.Server) *house {
	t.Helper()
	s := &house{journal: &journal{}}
	cfg.Log = slog.New(slog.NewJSONHandler(s.journal, nil))
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.door, s.addr, s.url = d, l.Addr().String(), "http://"+l.Addr().String()
	s.http = open(d)
	done := make(chan error, 1)
	go func() { done <- s.http.Serve(l) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		s.http.Close()
		<-done
	})
	return s
}

// settle waits for the handlers of all requests to end, and with them their
// log lines.
func (s *house) settle(t *testing.T) {
	t.Helper()
	http.DefaultClient.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	// It does not wait for those that were hijacked.
	for s.door.inFlight.Load() != 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
}

// header is what a request has besides: name, value, name, value.
func (s *house) do(t *testing.T, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	var from io.Reader
	if body != "" {
		from = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, from)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

// raw sends text over a connection of its own and returns all that comes back.
func (s *house) raw(t *testing.T, text string) string {
	t.Helper()
	conn := s.dial(t)
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	got, _ := io.ReadAll(conn)
	return string(got)
}

func (s *house) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// echo answers with the body, or with what BodyError says.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		status, message := BodyError(err)
		refuseJSON(w, r, status, message)
		return
	}
	_, _ = w.Write(text)
})
