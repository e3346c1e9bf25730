//go:build linux

package e2e

import (
	"fmt"
	"os"
	"testing"
)

// One command evaluates HumanEval through an ms-enclave server, as EvalScope
// does it: the dataset's own answers all pass on ours, and on the original with
// a real Docker daemon. The conformance suite of the engine that speaks to such
// servers passes against both, but for what their protocol can't do.
func TestTwoServersOneClient(t *testing.T) {
	cupel := cupelBinary(t)
	me := as(t, os.Geteuid())
	data := dataFile(t, me, "HumanEval.jsonl.gz")
	suite := testBinary(t, "internal/engine/remote")
	evaluate := func(t *testing.T, s *server) {
		score(t, me, cupel, 164, "--datasets=humaneval", "--data="+data, "--model=canonical",
			fmt.Sprintf(`--sandbox={"engine": "docker", "manager_config": {"base_url": %q}}`, s.url))
	}
	conform := func(t *testing.T, s *server, env ...string) {
		user := as(t, os.Geteuid())
		user.env = append(user.env, append(env, "CUPEL_TEST_ENCLAVE_URL="+s.url)...)
		replay(t, runIn(t, user, suite, append(testFlags, "-test.run=^TestEngineRemote$")...))
	}
	t.Run("cupel", func(t *testing.T) {
		// It asks for the host's network, which is off by default, and for more programs at once than there may be cores.
		s := startCupel(t, as(t, os.Geteuid()), "--host-network", "--concurrency=16")
		t.Run("humaneval", func(t *testing.T) { evaluate(t, s) })
		t.Run("engine", func(t *testing.T) { conform(t, s, "CUPEL_TEST_ENCLAVE_OURS=1") })
	})
	t.Run("original", func(t *testing.T) {
		v := python(t, "client")
		d := startDockerWithBridge(t)
		d.importPython(t)
		s := startOriginal(t, d, v)
		t.Run("humaneval", func(t *testing.T) { evaluate(t, s) })
		t.Run("engine", func(t *testing.T) { conform(t, s) })
	})
}
