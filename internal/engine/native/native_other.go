//go:build !(linux && amd64)

package native

import (
	"context"
	"runtime"

	"cupel.dev/cupel"
)

// Engine does not exist on this platform.
type Engine struct{ cupel.Engine }

// Open says that this platform has no native engine.
func Open(context.Context, Config) (*Engine, error) {
	return nil, cupel.Errorf(cupel.Unsupported, "open the native engine", "it needs Linux on amd64, this is %s on %s",
		runtime.GOOS, runtime.GOARCH).WithHint("use an engine on another machine")
}
