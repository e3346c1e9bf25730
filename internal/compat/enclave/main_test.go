package enclave

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain keeps the engine's cache in a directory of its own, and finds what
// the tests left running.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "cupel-test-")
	if err != nil {
		panic(err)
	}
	if os.Getenv("CUPEL_CACHE") == "" {
		os.Setenv("CUPEL_CACHE", dir)
	}
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Println(err)
		code = 1
	}
	os.RemoveAll(dir)
	os.Exit(code)
}
