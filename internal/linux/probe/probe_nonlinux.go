//go:build !linux

package probe

import (
	"context"
	"runtime"
)

// All is one Ability that says no: sandboxes are made by Linux.
func All(context.Context) []Ability {
	return []Ability{{
		Name:   "linux",
		Detail: "this is " + runtime.GOOS,
		Fix:    "run on Linux, or use an engine that does",
	}}
}

// Kernel is empty: this is not Linux.
func Kernel() (release string, major, minor int) { return "", 0, 0 }

// IDRange is empty: this is not Linux.
func IDRange() (lo, n uint32) { return 0, 0 }
