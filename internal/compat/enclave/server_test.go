package enclave

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/door"
	"cupel.dev/cupel/internal/engine/fake"
	"cupel.dev/cupel/service"
)

// world is a server over the fake engine, spoken to without a network.
type world struct {
	t      *testing.T
	server *Server
	engine *fake.Engine
	// handler is what requests go to: the server, or a door before it.
	handler http.Handler
}

func newWorld(t *testing.T, cfg Config, engine fake.Config) *world {
	t.Helper()
	return newWorldWith(t, cfg, engine, service.Config{}, door.Config{})
}

func newWorldWith(t *testing.T, cfg Config, engine fake.Config, svc service.Config, keys door.Config) *world {
	t.Helper()
	e := fake.New(t, engine)
	svc.Open = func(context.Context, service.EngineRef) (cupel.Engine, error) { return e, nil }
	svc.MemoryBudget = cupel.TiB
	cfg.Service = service.New(svc)
	var err error
	if cfg.Door, err = door.New(keys); err != nil {
		t.Fatal(err)
	}
	if cfg.Images == nil {
		cfg.Images = Images{{"*", "host"}}
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, server: s, engine: e, handler: s.Handler()}
	if keys.Keys != nil {
		w.handler = cfg.Door.Wrap(w.handler, Refuse)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := cfg.Service.Close(); err != nil {
			t.Error(err)
		}
		e.Close()
	})
	return w
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	text   string
	json   any
}

func (a answer) detail() string {
	m, _ := a.json.(map[string]any)
	s, _ := m["detail"].(string)
	return s
}

func (a answer) field(name string) any {
	m, _ := a.json.(map[string]any)
	return m[name]
}

func (w *world) send(r *http.Request) answer {
	w.t.Helper()
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	a := answer{status: rec.Code, header: rec.Header(), text: rec.Body.String()}
	a.json = decode(a.text)
	return a
}

// decode returns nil for what is no JSON.
func decode(text string) (v any) {
	_ = json.Unmarshal([]byte(text), &v)
	return v
}

// ask sends a request with a JSON body, or without one. Further headers are
// pairs of names and values.
func (w *world) ask(method, path string, body any, headers ...string) answer {
	w.t.Helper()
	text := ""
	switch b := body.(type) {
	case nil:
	case string:
		text = b
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			w.t.Fatal(err)
		}
		text = string(raw)
	}
	r := httptest.NewRequest(method, "http://testserver"+path, strings.NewReader(text))
	if text != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return w.send(r.WithContext(w.t.Context()))
}

// must asks and expects 200.
func (w *world) must(method, path string, body any, headers ...string) answer {
	w.t.Helper()
	a := w.ask(method, path, body, headers...)
	if a.status != http.StatusOK {
		w.t.Fatalf("%s %s: %d %s", method, path, a.status, a.text)
	}
	return a
}

func (w *world) create(typ string, config any, headers ...string) string {
	w.t.Helper()
	id, _ := w.must("POST", "/sandbox/create?sandbox_type="+typ, config, headers...).field("sandbox_id").(string)
	return id
}
