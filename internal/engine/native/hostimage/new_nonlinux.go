//go:build !linux

package hostimage

import (
	"context"

	"cupel.dev/cupel"
)

// New needs Linux.
func New(context.Context, Config) (Plan, error) {
	return Plan{}, cupel.Errorf(cupel.Unsupported, "plan the host image", "the native engine needs Linux").
		WithHint("use --engine docker")
}
