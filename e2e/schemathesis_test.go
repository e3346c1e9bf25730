//go:build linux

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Schemathesis reads the descriptions that the server gives of its doors, sends
// what they allow and what they don't, in sequences too, and compares the
// answers with them: it finds no server error, no undescribed status, type or
// field, nothing wrong that is accepted, nothing that is there after its end.
//
// Its check that all a schema allows is accepted is left out: no schema says
// which images, tools and sandboxes there are.
func TestSchemathesis(t *testing.T) {
	v := python(t, "schemathesis")
	hooks, err := filepath.Abs(filepath.Join("testdata", "python"))
	if err != nil {
		t.Fatal(err)
	}
	for door, description := range map[string]string{"enclave": "/openapi.json", "v1": "/v1/openapi.json"} {
		t.Run(door, func(t *testing.T) {
			before := lookAround(t)
			t.Cleanup(func() { before.compare(t) })
			me := as(t, os.Geteuid())
			s := startCupel(t, me)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			cmd := me.command(ctx, t, v.program("st"), "--config-file="+filepath.Join(hooks, "schemathesis.toml"), "run", s.url+description, "--max-examples=12", "--seed=1", "--generation-deterministic",
				"--no-color", "--request-timeout=30")
			cmd.Env = append(cmd.Env, "SCHEMATHESIS_HOOKS=tarhook", "PYTHONPATH="+hooks, "PYTHONDONTWRITEBYTECODE=1", "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")
			out := run(t, cmd)
			if out.status != 0 {
				t.Errorf("exit %d\n%s%s", out.status, tail(out.stdout, 12000), clip(out.stderr))
			}
			t.Log(tail(out.stdout, 400))
		})
	}
}

// tail is the end of a long text.
func tail(text string, most int) string {
	if len(text) > most {
		return "…" + text[len(text)-most:]
	}
	return text
}
