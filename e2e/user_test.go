package e2e

import (
	"os"
	"testing"
)

// plainUser is any id that is not root's.
const plainUser = 1000

// suites are the packages whose test binaries run in every place.
var suites = []string{"internal/engine/native", "internal/linux/cgroup", "internal/linux/space", "internal/linux/probe"}

// As a plain user of this machine the conformance suite passes and the bundled
// answers get the same verdicts.
func TestPlainUser(t *testing.T) {
	uid := os.Geteuid()
	if uid == 0 {
		uid = plainUser
	}
	cupel := cupelBinary(t)
	if _, err := os.Stat("/usr/bin/python3"); err != nil {
		t.Skip("no python3 that every user may run: apt install python3")
	}
	user := as(t, uid)
	t.Run("demo", func(t *testing.T) {
		judgesRight(t, user, cupel, reference(t), "bash", "python")
	})
	for _, pkg := range suites {
		binary := testBinary(t, pkg)
		t.Run(pkg, func(t *testing.T) {
			replay(t, runIn(t, as(t, uid), binary, testFlags...))
		})
	}
	left(t, user)
}
