package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"cupel.dev/cupel"
)

// Engine is an ms-enclave server.
type Engine struct {
	cfg    Config
	server *server
	ours   bool // it says that it is Cupel's own

	mu        sync.Mutex
	sandboxes map[*Sandbox]struct{}
	closed    bool
}

var (
	_ cupel.Engine   = (*Engine)(nil)
	_ cupel.Isolator = (*Engine)(nil)
)

// Open connects to a server: it asks once whether the server is there and
// takes the key. Errors are of kind Invalid for a bad config, Unavailable when
// nobody answers, and Unsupported when what answers is no such server.
func Open(ctx context.Context, cfg Config) (*Engine, error) {
	cfg, err := cfg.normalize()
	if err != nil {
		return nil, err
	}
	e := &Engine{cfg: cfg, server: newServer(cfg), sandboxes: map[*Sandbox]struct{}{}}
	if e.ours, err = e.server.health(ctx); err != nil {
		e.server.close()
		return nil, err
	}
	cfg.Log.Info(e.Started())
	return e, nil
}

// Name is "remote".
func (e *Engine) Name() string { return "remote" }

// Started is the line for a log that says that the engine was opened, as
// ms-enclave's users expect to read it.
func (e *Engine) Started() string {
	return "HTTP sandbox manager started, connected to " + e.cfg.BaseURL
}

// Isolation says what is known of a server that can't be looked into: it
// claims containers, which is namespaces over a /proc that may be anybody's.
func (e *Engine) Isolation() cupel.Isolation {
	return cupel.Isolation{
		Tier: cupel.TierNamespacesBoundProc,
		Missing: []string{
			"proof: the server is taken on trust", "dropped capabilities", "read-only root",
			"limit on processes", "limit on disk", "limit on inodes",
		},
	}
}

// Create makes a sandbox on the server.
func (e *Engine) Create(ctx context.Context, spec cupel.Spec) (cupel.Sandbox, error) {
	const op = "create a sandbox"
	if err := ctx.Err(); err != nil {
		return nil, &cupel.Error{Kind: cupel.Canceled, Op: op, Err: err}
	}
	spec, err := spec.Normalize()
	if err != nil {
		return nil, err
	}
	config, err := e.config(spec)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	closed := e.closed
	e.mu.Unlock()
	if closed {
		return nil, errClosed(op)
	}
	id, err := e.server.create(ctx, config)
	if err != nil {
		return nil, err
	}
	s := newSandbox(e, id, spec)
	e.mu.Lock()
	if !e.closed {
		e.sandboxes[s] = struct{}{}
		e.mu.Unlock()
		return s, nil
	}
	e.mu.Unlock()
	_ = s.Close()
	return nil, errClosed(op)
}

// createConfig is the part of a server's config that a Spec has a word for.
// The environment is not in it: servers show configs to whoever asks, and it
// would change the script's own commands.
type createConfig struct {
	Image          string         `json:"image"`
	Entrypoint     *[]string      `json:"entrypoint,omitempty"`
	Command        []string       `json:"command,omitempty"`
	WorkingDir     string         `json:"working_dir"`
	MemoryLimit    string         `json:"memory_limit"`
	CPULimit       float64        `json:"cpu_limit,omitempty"`
	NetworkEnabled bool           `json:"network_enabled"`
	Network        string         `json:"network,omitempty"`
	ToolsConfig    map[string]any `json:"tools_config"`
}

// initScript is the first process of a container of the original's: it reaps
// orphans, and ends when it is told to, which the image's own may not do for
// the 10 seconds that Docker then waits. While others run it doesn't: then it
// may be a program that tells it. Cupel's server needs none.
const initScript = `alone() { n=0; for p in /proc/[0-9]*; do n=$((n + 1)); done; [ $n -le 2 ]; }
trap 'alone && exit 0' TERM
trap '' HUP INT QUIT
while :; do sleep 86400 & wait $!; kill -KILL $!; wait $!; done 2>/dev/null`

// config translates a spec, and refuses what a server can't be asked for.
func (e *Engine) config(spec cupel.Spec) (createConfig, error) {
	var c createConfig
	if err := accepts(spec); err != nil {
		return c, err
	}
	c = createConfig{
		Image: e.cfg.Image, WorkingDir: spec.Dir, CPULimit: spec.Limits.CPUs,
		MemoryLimit: fmt.Sprintf("%dk", (spec.Limits.Memory+cupel.KiB-1)/cupel.KiB),
		ToolsConfig: map[string]any{shellTool: map[string]any{}},
	}
	if !e.ours {
		c.Entrypoint, c.Command = &[]string{}, []string{"/bin/sh", "-c", initScript}
	}
	if spec.Limits.Memory%cupel.MiB == 0 {
		c.MemoryLimit = fmt.Sprintf("%dm", spec.Limits.Memory/cupel.MiB)
	}
	if spec.Image != "host" {
		if strings.HasPrefix(spec.Image, "dir:") || strings.HasPrefix(spec.Image, "tar:") {
			return c, unsupported("image "+spec.Image, "name an image that the server has, such as "+DefaultImage)
		}
		if err := checkImage(spec.Image); err != nil {
			return c, err
		}
		c.Image = spec.Image
	}
	if spec.Network == cupel.NetworkHost {
		c.NetworkEnabled, c.Network = true, "host"
	}
	return c, nil
}

// accepts refuses what no server can be asked for.
func accepts(spec cupel.Spec) error {
	def := cupel.DefaultLimits()
	switch {
	case len(spec.Mounts) > 0:
		return unsupported("mounts", "copy files in; the server is another machine")
	case spec.Privileges != cupel.PrivilegesNone:
		return unsupported("privileges "+string(spec.Privileges), "leave them out; a server gives what it gives")
	case spec.Isolation == cupel.IsolationStrict:
		return unsupported("isolation strict", "accept standard; what a server does can't be proved from here")
	case !isRoot(spec.User):
		return unsupported("user "+spec.User, "use user 0")
	case spec.Limits.Processes != def.Processes:
		return unsupported("a limit on processes", "leave it out; the server sets its own")
	case spec.Limits.Disk != def.Disk:
		return unsupported("a limit on disk", "leave it out; the server sets its own")
	case spec.Limits.Inodes != def.Inodes:
		return unsupported("a limit on inodes", "leave it out; the server sets its own")
	}
	return checkFileSize(spec.Limits.FileSize)
}

// sector is the unit in which shells limit the size of files.
const sector = 512

func checkFileSize(size cupel.Size) error {
	if size != 0 && size < sector {
		return unsupported("a file size below 512 bytes", "give 512 bytes or more")
	}
	return nil
}

func isRoot(user string) bool {
	uid, gid, err := cupel.ParseUser(user)
	return err == nil && uid == 0 && gid == 0
}

func unsupported(what, fix string) error {
	return cupel.Errorf(cupel.Unsupported, "", "the remote engine can't give %s: the protocol has no word for it", what).
		WithHint("%s", fix)
}

func errClosed(op string) error { return cupel.Errorf(cupel.Closed, op, "already closed") }

func (e *Engine) forget(s *Sandbox) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.sandboxes, s)
}

// Close deletes every sandbox that is still open.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closed = true
	open := make([]*Sandbox, 0, len(e.sandboxes))
	for s := range e.sandboxes {
		open = append(open, s)
	}
	e.mu.Unlock()
	errs := make([]error, len(open))
	var all sync.WaitGroup
	for i, s := range open {
		all.Go(func() { errs[i] = s.Close() })
	}
	all.Wait()
	e.server.close()
	return errors.Join(slices.DeleteFunc(errs, func(err error) bool { return err == nil })...)
}
