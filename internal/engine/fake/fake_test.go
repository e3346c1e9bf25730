package fake

import (
	"context"
	"strings"
	"testing"

	"cupel.dev/cupel"
)

// Each misuse is answered like a real engine would and named by Check.
func TestCheckNamesMisuse(t *testing.T) {
	ctx := context.Background()
	create := func(t *testing.T, e *Engine) cupel.Sandbox {
		sb, err := e.Create(ctx, cupel.Spec{})
		if err != nil {
			t.Fatal(err)
		}
		return sb
	}
	sh := cupel.Cmd{Args: []string{"sh"}}
	fails := Config{OnReset: func(context.Context, *Sandbox) error {
		return cupel.Errorf(cupel.Internal, "reset", "no")
	}}
	tests := map[string]struct {
		cfg  Config
		use  func(*testing.T, *Engine) error
		kind cupel.Kind
		want string
	}{
		"exec after close": {use: func(t *testing.T, e *Engine) error {
			sb := create(t, e)
			sb.Close()
			_, err := sb.Exec(ctx, sh)
			e.Close()
			return err
		}, kind: cupel.Closed, want: "exec after sandbox"},
		"create after close": {use: func(_ *testing.T, e *Engine) error {
			e.Close()
			_, err := e.Create(ctx, cupel.Spec{})
			return err
		}, kind: cupel.Closed, want: "create after the engine was closed"},
		"no arguments": {use: func(t *testing.T, e *Engine) error {
			sb := create(t, e)
			_, err := sb.Exec(ctx, cupel.Cmd{})
			sb.Close()
			e.Close()
			return err
		}, kind: cupel.Invalid, want: "invalid command"},
		"limit above the spec's": {use: func(t *testing.T, e *Engine) error {
			sb := create(t, e)
			_, err := sb.Exec(ctx, cupel.Cmd{Args: []string{"sh"}, Limits: cupel.Limits{Memory: cupel.TiB}})
			sb.Close()
			e.Close()
			return err
		}, kind: cupel.Invalid, want: "invalid command"},
		"sandbox left open": {use: func(t *testing.T, e *Engine) error {
			create(t, e)
			return e.Close()
		}, want: "was open"},
		"engine left open": {use: func(*testing.T, *Engine) error { return nil }, want: "never closed"},
		"use after a failed reset": {cfg: fails, use: func(t *testing.T, e *Engine) error {
			sb := create(t, e)
			if sb.(cupel.Resetter).Reset(ctx) == nil {
				t.Error("the reset should fail")
			}
			_, err := sb.Exec(ctx, sh)
			sb.Close()
			e.Close()
			return err
		}, kind: cupel.Internal, want: "after a reset"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := Open(tt.cfg)
			if err := tt.use(t, e); cupel.KindOf(err) != tt.kind {
				t.Errorf("error = %v, want kind %q", err, tt.kind)
			}
			if err := e.Check(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Check() = %v, want it to say %q", err, tt.want)
			}
		})
	}
}

func TestGoodUseIsClean(t *testing.T) {
	e := New(t, Config{})
	sb, err := e.Create(t.Context(), cupel.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	if res, err := sb.Exec(t.Context(), cupel.Cmd{Args: []string{"true"}}); err != nil || res.Status != cupel.StatusOK {
		t.Fatalf("Exec = %+v, %v", res, err)
	}
	if err := sb.(cupel.Resetter).Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	sb.Close()
	sb.Close()
	e.Close()
	e.Close()
	if err := e.Check(); err != nil {
		t.Error(err)
	}
	if c := e.Counts(); c.Create != 1 || c.Exec != 1 || c.Reset != 1 || c.Open != 0 || c.RunningPeak != 1 {
		t.Errorf("counts = %+v", c)
	}
}
