package native

import (
	"os"
	"testing"

	"cupel.dev/cupel"
	"cupel.dev/cupel/enginetest"
)

// open opens an engine whose cache goes away with the test, so that what one
// test makes is not there for the next.
func open(t testing.TB, cfg Config) *Engine {
	t.Helper()
	e, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// TestMain keeps the cache of all tests in one temporary directory.
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

// The engine conforms, with this place's cgroups and without any.
func TestEngine(t *testing.T) {
	for _, cgroups := range []string{"auto", "none"} {
		t.Run(cgroups, func(t *testing.T) {
			enginetest.Run(t, func(t *testing.T) cupel.Engine {
				e, err := Open(t.Context(), Config{Cgroups: cgroups})
				if err != nil {
					t.Fatal(err)
				}
				return e
			}, enginetest.Options{})
		})
	}
}
