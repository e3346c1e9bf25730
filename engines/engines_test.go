package engines_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"cupel.dev/cupel"
	"cupel.dev/cupel/engines"
)

// TestMain keeps the engines' caches in one temporary directory.
func TestMain(m *testing.M) {
	if os.Getenv("CUPEL_CACHE") != "" {
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "cupel-test-")
	if err != nil {
		panic(err)
	}
	os.Setenv("CUPEL_CACHE", dir)
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func TestResolve(t *testing.T) {
	tests := []struct {
		alias, name string
		kind        cupel.Kind
		says        string
	}{
		{"", "native", "", ""},
		{"native", "native", "", ""},
		{" NATIVE\n", "native", "", ""},
		{"Docker", "", cupel.Unsupported, "docker engine is not built into this cupel. Supported: native, remote"},
		{"volcengine", "", cupel.Unsupported, "volcengine"},
		{"volcano", "", cupel.Unsupported, "volcengine"},
		{"Volc", "", cupel.Unsupported, "volcengine"},
		{"remote", "remote", "", ""},
		{" Remote ", "remote", "", ""},
		{"natve", "", cupel.Invalid, `Unknown sandbox engine: "natve"`},
		{strings.Repeat("x", 5000), "", cupel.Invalid, "Unknown sandbox engine"},
	}
	for _, tt := range tests {
		name, err := engines.Resolve(tt.alias)
		if name != tt.name || cupel.KindOf(err) != tt.kind {
			t.Errorf("Resolve(%.20q) = %q, %v; want %q, kind %q", tt.alias, name, err, tt.name, tt.kind)
		}
		if err != nil && (!strings.Contains(err.Error(), tt.says) || len(err.Error()) > 300) {
			t.Errorf("Resolve(%.20q) says %q, want %q in it", tt.alias, err, tt.says)
		}
	}
	if _, err := engines.Resolve("natve"); !strings.Contains(cupel.HintOf(err), "did you mean native") {
		t.Errorf("hint = %q", cupel.HintOf(err))
	}
}

func TestOpenRefusesBadConfig(t *testing.T) {
	for _, config := range []string{`{"no_such_key":1}`, `{`, `[]`, `7`, `{} {}`} {
		e, err := engines.Open(t.Context(), "native", json.RawMessage(config))
		if e != nil || cupel.KindOf(err) != cupel.Invalid {
			t.Errorf("Open with %s = %v, %v; want kind invalid", config, e, err)
		}
	}
}

// A remote engine's config has a key in it, which no message may show.
func TestOpenRemoteRefusesBadConfig(t *testing.T) {
	for config, says := range map[string]string{
		``:                                     "base_url",
		`{"base_url":"ftp://h"}`:               "base_url",
		`{"base_url":"http://u:secret@h"}`:     "api_key",
		`{"base_url":"http://h?k=secret"}`:     "api_key",
		`{"api_key":"secret","times":1}`:       "times",
		`{"base_url":"http://h","timeout":-1}`: "timeout",
	} {
		e, err := engines.Open(t.Context(), "remote", json.RawMessage(config))
		if e != nil || cupel.KindOf(err) != cupel.Invalid || !strings.Contains(err.Error(), says) {
			t.Errorf("Open with %s = %v, %v; want kind invalid that names %s", config, e, err, says)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("Open with %s shows the secret: %v", config, err)
		}
	}
}

func TestEveryListedEngineResolvesToItself(t *testing.T) {
	for _, name := range engines.List() {
		if got, err := engines.Resolve(name); got != name || err != nil {
			t.Errorf("Resolve(%q) = %q, %v", name, got, err)
		}
	}
}
