//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"testing"
)

// With ipykernel in the image, the notebook's driver runs cells in it.
func TestIPykernel(t *testing.T) {
	v := python(t, "ipykernel")
	packages, err := filepath.Glob(filepath.Join(v.dir, "lib", "python3*", "site-packages"))
	if err != nil || len(packages) != 1 {
		t.Fatalf("packages in %v, %v", packages, err)
	}
	user := as(t, os.Geteuid())
	user.env = append(user.env, "CUPEL_TEST_IPYKERNEL="+packages[0])
	replay(t, runIn(t, user, testBinary(t, "internal/compat/enclave/tool"), append(testFlags, "-test.run=^TestNotebookWithIPykernel$")...))
	left(t, user)
}
