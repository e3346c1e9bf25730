package service

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/engine/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ref = EngineRef{Name: "fake"}

// startService makes a service over one fake engine, closed and checked at the end.
func startService(t *testing.T, cfg Config, script fake.Config) (*Service, *fake.Engine) {
	t.Helper()
	e := fake.New(t, script)
	if cfg.Open == nil {
		cfg.Open = func(context.Context, EngineRef) (cupel.Engine, error) { return e, nil }
	}
	s := New(cfg)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the service: %v", err)
		}
		e.Close()
	})
	return s, e
}

func pool(t *testing.T, s *Service, cfg PoolConfig) *Pool {
	t.Helper()
	cfg.Engine = ref
	p, err := s.Pool(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func cmd(args ...string) cupel.Cmd { return cupel.Cmd{Args: args} }

func wantKind(t *testing.T, err error, kind cupel.Kind) {
	t.Helper()
	if cupel.KindOf(err) != kind {
		t.Errorf("error = %v, want kind %q", err, kind)
	}
}
