//go:build linux

package e2e

import (
	"os"
	"testing"
)

// plainUser is any id that is not root's.
const plainUser = 1000

// suites are the packages whose test binaries run as a plain user too.
var suites = []string{"internal/engine/native", "internal/linux/cgroup", "internal/linux/space", "internal/linux/probe"}

// As a plain user of this machine the conformance suite passes, with the host's
// toolchains and with an image, and the bundled answers get the same verdicts.
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
		left(t, user)
	})
	for _, pkg := range suites {
		binary := testBinary(t, pkg)
		t.Run(pkg, func(t *testing.T) {
			user := as(t, uid)
			user.env = append(user.env, "CUPEL_TEST_IMAGE="+sharedImage(t))
			replay(t, runIn(t, user, binary, testFlags...))
			left(t, user)
		})
	}
}

// As root, the conformance suite passes with an image; with the host's
// toolchains the package's own tests show it.
func TestRootWithImage(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root; TestPlainUser runs the same")
	}
	binary := testBinary(t, "internal/engine/native")
	before := lookAround(t)
	root := as(t, 0)
	root.env = append(root.env, "CUPEL_TEST_IMAGE="+sharedImage(t))
	replay(t, runIn(t, root, binary, append(testFlags, "-test.run=^TestEngineWithImage$")...))
	left(t, root)
	before.compare(t)
}
