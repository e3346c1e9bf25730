//go:build linux

package e2e

import (
	"strings"
	"testing"
)

// In a container like a pod's, as root and as a plain user, the conformance
// suite passes, the bundled answers get the same verdicts and the tier says
// what is weaker there.
func TestPod(t *testing.T) {
	cupel := cupelBinary(t)
	image := rootfs(t)
	before := lookAround(t)
	t.Cleanup(func() { before.compare(t) }) // after the daemon is gone
	docker := startDocker(t)
	docker.do(t, "import", "--change=ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", image, "cupel-e2e")
	for name, user := range map[string]string{"root": "0:0", "user": "1000:1000"} {
		t.Run(name, func(t *testing.T) {
			p := &pod{daemon: docker, image: "cupel-e2e", user: user, dirs: []string{bin}, env: []string{"CUPEL_TEST_IMAGE=" + sharedImage(t)}}
			t.Run("tier", func(t *testing.T) { podTier(t, p, cupel) })
			t.Run("limits", func(t *testing.T) { endRight(t, p, cupel) })
			t.Run("demo", func(t *testing.T) { judgesRight(t, p, cupel, reference(t), "bash", "python") })
			for _, pkg := range []string{"internal/engine/native"} {
				binary := testBinary(t, pkg)
				t.Run(pkg, func(t *testing.T) { replay(t, runIn(t, p, binary, testFlags...)) })
			}
		})
	}
}

// podTier finds the tier named, and the pod's own processes out of reach: they
// are seen in the /proc that is shown, and neither read nor signalled.
func podTier(t *testing.T, p place, cupel string) {
	t.Helper()
	const look = `
		for p in /proc/[0-9]*; do
			[ "$(readlink /proc/self)" = "${p#/proc/}" ] && continue
			cat $p/environ $p/maps $p/cmdline 2>/dev/null | head -c 1 | grep -q . && case $p in /proc/$$|/proc/$PPID) ;; *) echo "read $p";; esac
		done
		exit 0`
	type report struct {
		Status, Stdout, Stderr string
		Isolation              struct {
			Tier    string
			Missing []string
		}
	}
	doc := decodeJSON[report](t, runIn(t, p, cupel, "run", "--json", "--", "bash", "-c", look))
	if doc.Isolation.Tier != "namespaces-bound-proc" {
		t.Errorf("the tier is %q, want namespaces-bound-proc", doc.Isolation.Tier)
	}
	if doc.Status != "ok" || strings.TrimSpace(doc.Stdout) != "" {
		t.Errorf("%s: %s%s", doc.Status, doc.Stdout, doc.Stderr)
	}
	strict := runIn(t, p, cupel, "run", "--isolation=strict", "--", "true")
	if strict.status != 125 || !strings.Contains(strict.stderr, "namespaces-bound-proc") {
		t.Errorf("strict isolation: exit %d, %s; want a refusal that names the tier", strict.status, strict.stderr)
	}
}
