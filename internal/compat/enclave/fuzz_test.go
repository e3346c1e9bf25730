package enclave

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/door"
	"cupel.dev/cupel/internal/engine/fake"
	"cupel.dev/cupel/internal/wire/enclave"
	"cupel.dev/cupel/service"
)

// fuzzServer is a server that is asked anything: never a panic, never a 500,
// always the protocol's form, and nothing of it is left.
func fuzzServer(f *testing.F) *Server {
	f.Helper()
	e := fake.Open(fake.Config{})
	svc := service.New(service.Config{MemoryBudget: cupel.TiB, Open: func(context.Context, service.EngineRef) (cupel.Engine, error) { return e, nil }})
	d, err := door.New(door.Config{})
	if err != nil {
		f.Fatal(err)
	}
	s, err := New(Config{Service: svc, Door: d, Images: Images{{"*", "host"}}, Policy: Policy{MaxPoolSize: 8}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close(); svc.Close(); e.Close() })
	return s
}

func fuzzAsk(t *testing.T, s *Server, method, path, query, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	r.URL = &url.URL{Path: path, RawQuery: query}
	r.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, r)
	if rec.Code == http.StatusTemporaryRedirect || strings.HasPrefix(rec.Header().Get("Content-Type"), "text/html") {
		return rec
	}
	if !json.Valid(rec.Body.Bytes()) && method != http.MethodHead {
		t.Fatalf("%s %s?%s %q: no JSON: %q", method, path, query, body, rec.Body)
	}
	if rec.Code >= 500 && rec.Code != http.StatusNotImplemented {
		t.Fatalf("%s %s?%s %q: %d %s", method, path, query, body, rec.Code, rec.Body)
	}
	for _, sb := range s.list(&call{r: r}, "") {
		fresh := httptest.NewRecorder()
		s.ServeHTTP(fresh, httptest.NewRequest(http.MethodDelete, "/sandbox/"+sb.ID, nil))
	}
	return rec
}

func seeds(f *testing.F, add func(tn turn)) {
	f.Helper()
	for _, turns := range dialogues(&testing.T{}) {
		for _, tn := range turns {
			add(tn)
		}
	}
}

func FuzzRequest(f *testing.F) {
	s := fuzzServer(f)
	seeds(f, func(tn turn) {
		path, query, _ := strings.Cut(tn.Path, "?")
		f.Add(tn.Method, path, query, string(tn.JSON)+show(tn.Body))
	})
	f.Add("POST", "/pools/x/pool/execute", "tool_name=python_executor&pool=%ff", `{}`)
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		if slices.Contains([]string{"GET", "POST", "DELETE", "HEAD", "PUT"}, method) {
			fuzzAsk(t, s, method, path, query, body)
		}
	})
}

func FuzzConfig(f *testing.F) {
	s := fuzzServer(f)
	seeds(f, func(tn turn) {
		if strings.Contains(tn.Path, "create") {
			f.Add(uint8(0), string(tn.JSON)+show(tn.Body))
		}
	})
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		typ := enclave.SandboxTypes[int(which)%len(enclave.SandboxTypes)]
		rec := fuzzAsk(t, s, http.MethodPost, "/sandbox/create", "sandbox_type="+string(typ), body)
		if rec.Code != http.StatusOK && rec.Code != http.StatusBadRequest && rec.Code != http.StatusUnprocessableEntity {
			t.Fatalf("%q: %d %s", body, rec.Code, rec.Body)
		}
	})
}

func FuzzSplitWords(f *testing.F) {
	for _, s := range []string{"a 'b c'", `"\"`, `\`, "sh -c 'sleep infinity'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if words, ok := splitWords(s); ok && len(words) > 0 {
			keepsAlive(words)
		}
	})
}
