package remote_test

import (
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"cupel.dev/cupel"
	"cupel.dev/cupel/engines"
	"cupel.dev/cupel/internal/compat/enclave"
	"cupel.dev/cupel/internal/door"
	"cupel.dev/cupel/internal/engine/remote"
	"cupel.dev/cupel/service"
)

// TestMain keeps the cache of all tests in one temporary directory, and finds
// what they left running.
func TestMain(m *testing.M) {
	if os.Getenv("CUPEL_CACHE") == "" {
		dir, err := os.MkdirTemp("", "cupel-test-")
		if err != nil {
			panic(err)
		}
		os.Setenv("CUPEL_CACHE", dir)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if dir := os.Getenv("CUPEL_CACHE"); strings.HasPrefix(filepath.Base(dir), "cupel-test-") {
			os.RemoveAll(dir)
		}
		os.Exit(code)
	}))
}

// ours serves this machine's own toolchains by Cupel's own server.
func ours(t *testing.T) string {
	t.Helper()
	svc := service.New(service.Config{Open: func(ctx context.Context, ref service.EngineRef) (cupel.Engine, error) {
		return engines.Open(ctx, ref.Name, ref.Config)
	}, Programs: 16})
	t.Cleanup(func() {
		if err := svc.Close(); err != nil {
			t.Error(err)
		}
	})
	h, err := svc.Create(t.Context(), service.EngineRef{Name: "native"})
	switch kind := cupel.KindOf(err); {
	case kind == cupel.Unsupported || kind == cupel.Unavailable:
		t.Skipf("the native engine doesn't work here: %v", err)
	case err != nil:
		t.Fatal(err)
	}
	h.Close()
	d, err := door.New(door.Config{Loopback: true})
	if err != nil {
		t.Fatal(err)
	}
	s, err := enclave.New(enclave.Config{
		Service: svc, Door: d, Images: enclave.Images{{Pattern: remote.DefaultImage, Source: "host"}},
		Policy: enclave.Policy{HostNetwork: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(d.Wrap(s, enclave.Refuse))
	web.Config.ConnContext = d.Server(nil).ConnContext
	web.Start()
	t.Cleanup(func() { web.Close(); s.Close() })
	return web.URL
}

// The engine conforms as far as the protocol goes over Cupel's own server.
func TestEngineRemoteOurs(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the whole conformance suite")
	}
	conform(t, remote.Config{BaseURL: ours(t)}, cannotOurs)
}
