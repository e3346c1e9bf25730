package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cupel.dev/cupel"
	"cupel.dev/cupel/api"
	"cupel.dev/cupel/client"
	"cupel.dev/cupel/engines"
	"cupel.dev/cupel/internal/door"
	"cupel.dev/cupel/internal/engine/fake"
	"cupel.dev/cupel/service"
)

// TestMain keeps the cache of the native engine in one temporary directory.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "cupel-test-")
	if err != nil {
		panic(err)
	}
	if os.Getenv("CUPEL_CACHE") == "" {
		os.Setenv("CUPEL_CACHE", dir)
	}
	code := m.Run()
	os.RemoveAll(dir)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			println(err.Error())
			code = 1
		}
	}
	os.Exit(code)
}

// place is a server under test, with all that stands behind it.
type place struct {
	t       *testing.T
	url     string
	server  *Server
	service *service.Service
	// fake is the engine, nil when it is the native one.
	fake *fake.Engine
	log  *bytes.Buffer
}

// options say what a test's server is like.
type options struct {
	Config
	// fake scripts the fake engine; nil is the real one.
	fake *fake.Config
	door door.Config
	// service configures the service.
	service service.Config
}

// start starts a server on a loopback port; everything is closed, and checked,
// when the test ends.
func start(t *testing.T, o options) *place {
	t.Helper()
	p := &place{t: t, log: &bytes.Buffer{}}
	o.Engine = service.EngineRef{Name: "native"}
	o.service.Open = func(ctx context.Context, ref service.EngineRef) (cupel.Engine, error) {
		return engines.Open(ctx, ref.Name, ref.Config)
	}
	if o.fake != nil {
		o.Engine.Name = "fake"
		p.fake = fake.New(t, *o.fake)
		o.service.Open = func(context.Context, service.EngineRef) (cupel.Engine, error) { return p.fake, nil }
	}
	p.service = service.New(o.service)
	o.Service = p.service
	o.door.Loopback = true
	d, err := door.New(o.door)
	if err != nil {
		t.Fatal(err)
	}
	o.Door = d
	o.Version = "test"
	p.server = New(o.Config)
	web := httptest.NewUnstartedServer(nil)
	web.Config = d.Server(documented(t, d.Wrap(p.server, Refuse)))
	web.Start()
	p.url = web.URL
	t.Cleanup(func() {
		if err := p.server.Close(); err != nil {
			t.Errorf("close the server: %v", err)
		}
		web.CloseClientConnections()
		web.Close()
		if err := p.service.Close(); err != nil {
			t.Errorf("close the service: %v", err)
		}
		if p.fake != nil {
			p.fake.Close()
		}
	})
	return p
}

// client returns a client of the server that never repeats.
func (p *place) client(key string) *client.Client {
	p.t.Helper()
	c, err := client.New(client.Config{BaseURL: p.url, Key: key, Retries: -1})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(c.Close)
	return c
}

// call sends a raw request and returns the answer with its body read.
func (p *place) call(method, path, body string, header ...string) (*http.Response, string) {
	p.t.Helper()
	r, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	r.Close = true
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp, string(raw)
}

// wantError checks that an answer is the API's error with the status and kind,
// whose text has every word.
func wantError(t *testing.T, resp *http.Response, body string, status int, kind cupel.Kind, words ...string) {
	t.Helper()
	var doc api.Error
	if err := json.Unmarshal([]byte(body), &doc); err != nil || resp.StatusCode != status || doc.Error.Kind != kind {
		t.Errorf("answer = %d %.300s; want %d of kind %s", resp.StatusCode, body, status, kind)
		return
	}
	for _, w := range words {
		if text := doc.Error.Message + "\n" + doc.Error.Hint; !strings.Contains(text, w) {
			t.Errorf("%q does not say %q", text, w)
		}
	}
}

// eventually waits until ok, for things that happen without an answer.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

func wantKind(t *testing.T, err error, kind cupel.Kind) {
	t.Helper()
	if cupel.KindOf(err) != kind {
		t.Errorf("error = %v, want kind %q", err, kind)
	}
}
