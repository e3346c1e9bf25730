package enclave

import (
	"log/slog"
	"path"
	"strings"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/door"
	"cupel.dev/cupel/service"
)

// Config configures a Server. Service and Door are needed.
type Config struct {
	// Service makes the sandboxes. It is not closed here.
	Service *service.Service
	// Engine is the engine that makes them. Default native.
	Engine service.EngineRef
	// Door knows the callers and writes down what they run.
	Door *door.Door
	// Images say what the names of images mean here. Default: no name has a
	// meaning, so that no sandbox can be made.
	Images Images
	// Policy bounds what a request can ask for.
	Policy Policy
	// IdleTTL is how long a sandbox or a pool that nobody uses lives. Default
	// 2 h. A record of a stopped sandbox is kept for an hour at most.
	IdleTTL time.Duration
	// Version is told by /health. Default "1.0.0", theirs.
	Version string
	// Log receives what an operator wants to know. Default: nothing.
	Log *slog.Logger
}

// Policy is what the operator allows and grants. A zero field is its default.
type Policy struct {
	// Network is what the network "bridge", the protocol's default, means.
	// Default cupel.NetworkNone.
	Network cupel.Network
	// HostNetwork lets a config ask for the network "host".
	HostNetwork bool
	// Privileges are what programs hold inside. Default
	// cupel.PrivilegesNone; cupel.PrivilegesContainer is what Docker grants.
	Privileges cupel.Privileges
	// Volumes are the host paths below which a config may mount, read-only;
	// "DIR:rw" also writable. Default none.
	Volumes []string
	// MaxTime is above every tool's timeout. Default 1 h.
	MaxTime time.Duration
	// DefaultMemory is what the protocol's default memory limit (4g) means.
	// Default 4 GiB, or MaxMemory if that is less.
	DefaultMemory cupel.Size
	// MaxMemory caps what a config asks for. Default: the machine's.
	MaxMemory cupel.Size
	// MaxCPUs caps what a config asks for. Default: the machine's cores. The
	// protocol's default (2.0) is no limit unless MaxCPUs is below it.
	MaxCPUs float64
	// Processes, Files, Disk, Inodes and Output are the limits of each
	// sandbox. Default 1024, 4096, 1 GiB, 131072, 16 MiB.
	Processes, Files int
	Disk             cupel.Size
	Inodes           int
	Output           cupel.Size
	// MaxSandboxes is how many sandboxes may live at once, the slots of pools
	// counted. Default 4096.
	MaxSandboxes int
	// MaxPoolSize is how many slots one pool may have. Default 1024.
	MaxPoolSize int
}

// Image gives a name of an image a meaning. Pattern is the name, "*" for all
// names, or a glob as path.Match reads it; Source is "host", "dir:PATH",
// "tar:PATH" or whatever else the engine takes.
type Image struct{ Pattern, Source string }

// Images are tried in their order: the first that matches wins.
type Images []Image

// Source returns what the name of an image means. A name may be written with
// or without docker.io/, library/ and :latest.
func (images Images) Source(name string) (string, bool) {
	short := shortName(name)
	for _, im := range images {
		pattern := shortName(im.Pattern)
		if im.Pattern == "*" || pattern == short {
			return im.Source, true
		}
		if ok, err := path.Match(pattern, short); ok && err == nil {
			return im.Source, true
		}
		if ok, err := path.Match(im.Pattern, name); ok && err == nil {
			return im.Source, true
		}
	}
	return "", false
}

// shortName is the shortest way of writing a name.
func shortName(name string) string {
	name = strings.TrimPrefix(name, "docker.io/")
	name = strings.TrimPrefix(name, "library/")
	return strings.TrimSuffix(name, ":latest")
}

const (
	defaultIdleTTL = 2 * time.Hour
	// keepStopped is how long the record of a stopped sandbox is kept.
	keepStopped = time.Hour
	// cleanupInterval is the longest time between two looks for idle ones.
	cleanupInterval = 5 * time.Minute
	// maxJSON bounds a body that is read as a whole.
	maxJSON = 64 << 20
)

func (c Config) withDefaults() (Config, error) {
	if c.Service == nil || c.Door == nil {
		return c, cupel.Errorf(cupel.Invalid, "enclave server", "it needs a Service and a Door")
	}
	if c.Engine.Name == "" {
		c.Engine.Name = "native"
	}
	if c.IdleTTL <= 0 {
		c.IdleTTL = defaultIdleTTL
	}
	if c.Version == "" {
		c.Version = "1.0.0"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	for _, im := range c.Images {
		if _, err := path.Match(im.Pattern, ""); err != nil || im.Pattern == "" || im.Source == "" {
			return c, cupel.Invalidf("image mapping", im.Pattern+"="+im.Source, "write PATTERN=SOURCE, such as python:3.11-slim=host")
		}
	}
	var err error
	c.Policy, err = c.Policy.withDefaults()
	return c, err
}

func (p Policy) withDefaults() (Policy, error) {
	orDefault(&p.Network, cupel.NetworkNone)
	if p.Network != cupel.NetworkNone && p.Network != cupel.NetworkHost {
		return p, cupel.Invalidf("network policy", string(p.Network), "use none or host")
	}
	orDefault(&p.Privileges, cupel.PrivilegesNone)
	orDefault(&p.MaxTime, time.Hour)
	orDefault(&p.MaxMemory, machineMemory())
	orDefault(&p.DefaultMemory, 4*cupel.GiB)
	p.DefaultMemory = min(p.DefaultMemory, p.MaxMemory)
	orDefault(&p.Processes, 1024)
	orDefault(&p.Files, 4096)
	orDefault(&p.Disk, cupel.GiB)
	orDefault(&p.Inodes, 131072)
	orDefault(&p.Output, 16*cupel.MiB)
	orDefault(&p.MaxSandboxes, 4096)
	orDefault(&p.MaxPoolSize, 1024)
	for _, dir := range p.Volumes {
		if !path.IsAbs(dir) {
			return p, cupel.Invalidf("volume prefix", dir, "give an absolute path")
		}
	}
	return p, cupel.Limits{Time: p.MaxTime, Memory: p.MaxMemory, CPUs: p.MaxCPUs, Processes: p.Processes, Files: p.Files,
		Disk: p.Disk, Inodes: p.Inodes, Output: p.Output}.Validate()
}

func orDefault[T comparable](v *T, fallback T) {
	var zero T
	if *v == zero {
		*v = fallback
	}
}
