package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"cupel.dev/cupel"
	"cupel.dev/cupel/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// reply is what the scripted server answers; status 0 breaks the connection.
type reply struct {
	status int
	after  string
	body   string
}

const (
	okResult = `{"status": "ok", "exit_code": 0, "limits_hit": [], "stdout": "out", "engine": "native", "isolation": {"tier": "namespaces", "missing": []}}`
	full     = `{"error": {"kind": "exhausted", "message": "too many", "hint": "wait"}}`
)

// script is a transport that answers one reply after another, the last one
// for ever, and counts.
type script struct {
	replies []reply
	calls   int
	bodies  []string
	header  http.Header
	at      []time.Time
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	reply := s.replies[min(s.calls, len(s.replies)-1)]
	s.calls++
	s.at = append(s.at, time.Now())
	s.header = r.Header
	if r.Body != nil {
		raw, _ := io.ReadAll(r.Body)
		s.bodies = append(s.bodies, string(raw))
	}
	switch reply.status {
	case 0:
		return nil, io.ErrUnexpectedEOF
	case -1:
		return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	}
	h := http.Header{}
	if reply.after != "" {
		h.Set("Retry-After", reply.after)
	}
	return &http.Response{StatusCode: reply.status, Status: http.StatusText(reply.status), Header: h, Body: io.NopCloser(strings.NewReader(reply.body))}, nil
}

func scripted(t *testing.T, replies ...reply) (*Client, *script) {
	t.Helper()
	s := &script{replies: replies}
	c, err := New(Config{BaseURL: "http://server/base/", Key: "k", HTTP: &http.Client{Transport: s}})
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

// What may have run is not sent again; what certainly did not is.
func TestRetries(t *testing.T) {
	run := func(ctx context.Context, c *Client) error {
		_, err := c.Run(ctx, api.RunRequest{Args: []string{"x"}})
		return err
	}
	health := func(ctx context.Context, c *Client) error {
		_, err := c.Health(ctx)
		return err
	}
	put := func(tar io.Reader) func(context.Context, *Client) error {
		return func(ctx context.Context, c *Client) error { return c.Sandbox("id").Put(ctx, "/work", tar) }
	}
	ok := reply{200, "", okResult}
	for name, tc := range map[string]struct {
		replies []reply
		do      func(context.Context, *Client) error
		calls   int
		kind    cupel.Kind
	}{
		"run: full, then done":         {[]reply{{429, "1", full}, {503, "1", ""}, ok}, run, 3, ""},
		"run: refused, then done":      {[]reply{{-1, "", ""}, ok}, run, 2, ""},
		"run: full for ever":           {[]reply{{429, "1", full}}, run, 5, cupel.Exhausted},
		"run: failed meanwhile":        {[]reply{{503, "", `{"error": {"kind": "unavailable", "message": "m"}}`}, ok}, run, 1, cupel.Unavailable},
		"run: the connection broke":    {[]reply{{0, "", ""}, ok}, run, 1, cupel.Unavailable},
		"run: wrong":                   {[]reply{{400, "1", `{"error": {"kind": "invalid", "message": "m"}}`}, ok}, run, 1, cupel.Invalid},
		"run: broken machine":          {[]reply{{500, "1", `{"error": {"kind": "internal", "message": "m"}}`}, ok}, run, 1, cupel.Internal},
		"run: a proxy's bad day":       {[]reply{{502, "1", "<html>"}, ok}, run, 1, cupel.Unavailable},
		"run: nonsense":                {[]reply{{200, "", "<html>"}, ok}, run, 1, cupel.Unavailable},
		"run: no status":               {[]reply{{200, "", "{}"}, ok}, run, 1, cupel.Unavailable},
		"get: a proxy's bad day":       {[]reply{{502, "", "<html>"}, {503, "", ""}, {504, "", ""}, {200, "", "{}"}}, health, 4, ""},
		"get: the connection broke":    {[]reply{{0, "", ""}, {200, "", "{}"}}, health, 2, ""},
		"get: not there":               {[]reply{{404, "", "<html>"}}, health, 1, cupel.NotFound},
		"put: full, can be read again": {[]reply{{429, "1", full}, {204, "", ""}}, put(strings.NewReader("archive")), 2, ""},
		"put: full, can't":             {[]reply{{429, "1", full}, {204, "", ""}}, put(io.MultiReader(strings.NewReader("archive"))), 1, cupel.Exhausted},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, s := scripted(t, tc.replies...)
				if err := tc.do(t.Context(), c); cupel.KindOf(err) != tc.kind || s.calls != tc.calls {
					t.Errorf("%d calls, %v; want %d, kind %q", s.calls, err, tc.calls, tc.kind)
				}
				for _, b := range s.bodies {
					if b != s.bodies[0] || b == "" {
						t.Errorf("bodies %q", s.bodies)
					}
				}
				if got := s.header.Get("X-Api-Key"); got != "k" {
					t.Errorf("key %q", got)
				}
			})
		})
	}
}

// Retry-After is the least that is waited, and not for ever; the context ends
// the wait.
func TestRetryAfter(t *testing.T) {
	for after, want := range map[string]time.Duration{"7": 7 * time.Second, "86400": mostAsked, "-5": 0, "soon": 0} {
		synctest.Test(t, func(t *testing.T) {
			c, s := scripted(t, reply{429, after, full}, reply{200, "", okResult})
			if _, err := c.Run(t.Context(), api.RunRequest{}); err != nil {
				t.Fatal(err)
			}
			if waited := s.at[1].Sub(s.at[0]); waited < want || waited > want+firstWait {
				t.Errorf("Retry-After %s: waited %v", after, waited)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		c, s := scripted(t, reply{429, time.Now().Add(9 * time.Second).UTC().Format(http.TimeFormat), full})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := c.Run(ctx, api.RunRequest{})
		if cupel.KindOf(err) != cupel.Canceled || s.calls != 1 || time.Since(began) != time.Second {
			t.Errorf("%v after %v and %d calls", err, time.Since(began), s.calls)
		}
	})
}

// The server's error arrives with its kind, text and hint.
func TestError(t *testing.T) {
	c, s := scripted(t, reply{422, "", `{"error": {"kind": "unsupported", "message": "language c: gcc is not in the sandbox", "hint": "apt install gcc"}}`})
	_, err := c.Run(t.Context(), api.RunRequest{Language: "c"})
	e, ok := errors.AsType[*cupel.Error](err)
	if !ok || e.Kind != cupel.Unsupported || e.Error() != "language c: gcc is not in the sandbox" || e.Hint != "apt install gcc" {
		t.Errorf("%#v", err)
	}
	s.replies = []reply{{401, "", `{"error": {"kind": "invalid", "message": "Unauthorized", "hint": ""}}`}}
	if _, err = c.Run(t.Context(), api.RunRequest{}); !strings.Contains(cupel.HintOf(err), "Config.Key") {
		t.Errorf("%v: %q", err, cupel.HintOf(err))
	}
}

func TestBaseURL(t *testing.T) {
	for _, bad := range []string{"", "127.0.0.1:1234", "ftp://x", "http://", "http://x?y=1", "http://%zz"} {
		if _, err := New(Config{BaseURL: bad}); cupel.KindOf(err) != cupel.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
	var path atomic.Value
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path.Store(r.URL.EscapedPath() + "?" + r.URL.RawQuery)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer web.Close()
	c, err := New(Config{BaseURL: web.URL + "/a b/"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Sandbox("x/../y?").Put(t.Context(), "/d&=", strings.NewReader("")); err != nil {
		t.Fatal(err)
	}
	if got := path.Load(); got != "/a%20b/v1/sandboxes/x%2F..%2Fy%3F/files?dir=%2Fd%26%3D" {
		t.Errorf("path %s", got)
	}
}

// A dead server is no verdict.
func TestDeadServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	c, err := New(Config{BaseURL: "http://" + l.Addr().String(), Retries: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Run(t.Context(), api.RunRequest{})
	if cupel.KindOf(err) != cupel.Unavailable || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Error(err)
	}
}

func TestReadStream(t *testing.T) {
	const result = "event: result\ndata: {\"status\":\"ok\",\"exit_code\":0}\n\n"
	for name, tc := range map[string]struct {
		text, out, errOut string
		kind              cupel.Kind
	}{
		"all":      {": alive\n\nevent: stdout\ndata: {\"data\":\"a\\n\"}\n\nevent: stderr\r\ndata:{\"base64\":\"/w==\"}\r\n\r\nevent: stdout\ndata: {\"data\":\"b\"}\n\n" + result, "a\nb", "\xff", ""},
		"unknown":  {"event: news\ndata: {}\nid: 7\n\n" + result, "", "", ""},
		"error":    {"event: stdout\ndata: {\"data\":\"a\"}\n\nevent: error\ndata: {\"error\":{\"kind\":\"closed\",\"message\":\"m\"}}\n\n", "a", "", cupel.Closed},
		"cut":      {"event: stdout\ndata: {\"data\":\"a\"}\n\n", "a", "", cupel.Unavailable},
		"half":     {"event: result\ndata: {\"status\":\"ok\",\"exit_code\":0}\n", "", "", cupel.Unavailable},
		"nonsense": {"event: stdout\ndata: 7\n\n" + result, "", "", cupel.Unavailable},
		"empty":    {"event: result\ndata: {}\n\n", "", "", cupel.Unavailable},
		"html":     {"<html>\n\n", "", "", cupel.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := scripted(t, reply{200, "", tc.text})
			var out, errOut bytes.Buffer
			res, err := c.RunStream(t.Context(), api.RunRequest{}, &out, &errOut)
			if cupel.KindOf(err) != tc.kind || (err == nil) != (res != nil) || out.String() != tc.out || errOut.String() != tc.errOut {
				t.Errorf("%q %q %+v %v", out.String(), errOut.String(), res, err)
			}
		})
	}
}

type brokenWriter struct{ calls int }

func (w *brokenWriter) Write([]byte) (int, error) { w.calls++; return 0, io.ErrClosedPipe }

// A writer that fails is no fault of the program, and gets no more.
func TestBrokenWriter(t *testing.T) {
	event := "event: stdout\ndata: {\"data\":\"a\"}\n\n"
	c, _ := scripted(t, reply{200, "", event + event + "event: result\ndata: {\"status\":\"nonzero\",\"exit_code\":2,\"signal\":\"\"}\n\n"})
	w := &brokenWriter{}
	res, err := c.Sandbox("id").Exec(t.Context(), cupel.Cmd{Args: []string{"x"}, Stdout: w})
	if err != nil || res.ExitCode != 2 || w.calls != 1 {
		t.Errorf("%+v, %v, %d writes", res, err, w.calls)
	}
}

func TestExecRefusesWhatCannotBeSent(t *testing.T) {
	c, s := scripted(t, reply{200, "", ""})
	c.cfg.MaxStdin = 10
	for want, cmd := range map[cupel.Kind]cupel.Cmd{
		cupel.Invalid:     {Args: []string{"x"}, Stdin: strings.NewReader("more than ten bytes")},
		cupel.Unsupported: {Args: []string{"x", "\xff"}},
	} {
		if _, err := c.Sandbox("id").Exec(t.Context(), cmd); cupel.KindOf(err) != want {
			t.Errorf("%v, want kind %s", err, want)
		}
	}
	if s.calls != 0 {
		t.Error("something was sent")
	}
}

func FuzzStream(f *testing.F) {
	f.Add([]byte("event: stdout\ndata: {\"data\":\"a\"}\n\nevent: result\ndata: {\"status\":\"ok\"}\n\n"))
	f.Add([]byte(":\n\r\ndata\ndata:\n\nevent:error\ndata:{}\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var out bytes.Buffer
		res, err := readStream(bytes.NewReader(text), &outlet{to: &out}, &outlet{})
		if (res == nil) == (err == nil) || res != nil && res.Status == "" {
			t.Errorf("%+v, %v", res, err)
		}
	})
}
