package enclave

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"path"
	"runtime"
	"slices"
	"strings"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/compat/enclave/tool"
	"cupel.dev/cupel/internal/wire/enclave"
)

// plan is what a config comes to here: what a sandbox is made of, and what of
// the config means something else than it says.
type plan struct {
	config enclave.Config
	// shown is config as SandboxInfo has it.
	shown json.RawMessage
	spec  cupel.Spec
	// limits are each program's where the spec's are wider.
	limits cupel.Limits
	// dir is where tools start.
	dir   string
	tools []boundTool
	// hosts is a file for /etc/hosts, or nil.
	hosts []byte
	// program runs beside the tools for the sandbox's life, or is nil.
	program []string
	// adapted says, a line each, what the config doesn't mean literally.
	adapted []string
}

// key is the same for plans that may share a pool.
func (p *plan) key() string {
	type named struct{ As, Tool, About string }
	tools := make([]named, len(p.tools))
	for i, t := range p.tools {
		tools[i] = named{t.name, t.Name, t.schema.Function.Description}
	}
	text, err := json.Marshal([]any{p.config.Type, p.spec, p.dir, tools, p.hosts})
	if err != nil {
		// A plan of its own, rather than somebody else's.
		return fmt.Sprintf("%p", p)
	}
	return string(text)
}

func (p *plan) adapt(format string, args ...any) {
	p.adapted = append(p.adapted, fmt.Sprintf(format, args...))
}

// stateless reports whether each tool runs in a sandbox of its own.
func (p *plan) stateless() bool { return p.config.Type == enclave.TypeVolcengine }

// reachesOut reports whether a program can change anything that outlives its
// sandbox.
func (p *plan) reachesOut() bool {
	return p.spec.Network == cupel.NetworkHost || slices.ContainsFunc(p.spec.Mounts, func(m cupel.Mount) bool { return m.Writable })
}

// plan reads a config. The error is a *enclave.ConfigError or of kind Invalid
// or Unsupported, and names field, value and fix.
func (s *Server) plan(typ enclave.SandboxType, raw json.RawMessage) (*plan, error) {
	if typ == enclave.TypeDummy {
		return nil, cupel.Errorf(cupel.Invalid, "", "Sandbox type SandboxType.DUMMY is not registered")
	}
	config, err := enclave.ParseConfig(typ, raw)
	if err != nil {
		return nil, err
	}
	shown, err := json.Marshal(config)
	if err != nil {
		return nil, cupel.Errorf(cupel.Internal, "show config", "%w", err)
	}
	policy := s.cfg.Policy
	p := &plan{config: config, shown: shown, spec: cupel.Spec{
		User: "0", Env: config.EnvVars, Writable: true, Privileges: policy.Privileges,
		Limits: cupel.Limits{
			Time: policy.MaxTime, CPUTime: cpuTime(policy.MaxTime), Processes: policy.Processes, Files: policy.Files,
			Disk: policy.Disk, Inodes: policy.Inodes, Output: policy.Output,
		},
	}}
	steps := []func(*plan) error{s.planImage, s.planDir, s.planLimits, s.planNetwork, s.planVolumes, s.planHosts, s.planRest, s.planTools}
	for _, step := range steps {
		if err := step(p); err != nil {
			return nil, err
		}
	}
	if typ == enclave.TypeDockerNotebook {
		p.limits = cupel.Limits{CPUTime: p.spec.Limits.CPUTime, Output: p.spec.Limits.Output}
		p.spec.Limits = tool.KernelLimits(p.spec.Limits)
	}
	if _, err := p.spec.Normalize(); err != nil {
		return nil, err
	}
	s.tellOnce(p)
	return p, nil
}

func (s *Server) planImage(p *plan) error {
	name := p.config.Image // volcengine has the default one
	source, ok := s.cfg.Images.Source(name)
	if !ok && p.config.Type == enclave.TypeDockerNotebook && name == enclave.DefaultNotebookImage {
		if source, ok = s.cfg.Images.Source(enclave.DefaultImage); ok {
			p.adapt("image %s: what %s is mapped to", name, enclave.DefaultImage)
		}
	}
	if !ok {
		return cupel.Errorf(cupel.Invalid, "", "image %s is mapped to nothing on this server: start it with --image %s=SOURCE "+
			"(such as host, dir:PATH or tar:PATH), or ask for an image that is mapped", quoted(name), clip(name))
	}
	p.spec.Image = source
	return nil
}

func (s *Server) planDir(p *plan) error {
	for name, value := range p.config.EnvVars {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(value, 0) {
			return cupel.Invalidf("env_vars", name, "a name is not empty and holds no '=' or NUL, a value no NUL")
		}
	}
	dir := p.config.WorkingDir
	switch {
	case dir == "":
		// Docker starts in the image's own directory.
		p.dir, p.spec.Dir = "/", "/sandbox"
		return nil
	case !path.IsAbs(dir) || strings.ContainsRune(dir, 0):
		return cupel.Invalidf("working_dir", dir, "give an absolute path")
	}
	p.dir = path.Clean(dir)
	p.spec.Dir = p.dir
	if p.dir == "/" {
		p.spec.Dir = "/sandbox"
	}
	return nil
}

func (s *Server) planNetwork(p *plan) error {
	policy, name := s.cfg.Policy, ""
	if p.config.Network != nil {
		name = *p.config.Network
	}
	switch {
	case p.stateless():
		p.spec.Network = policy.Network
	case !p.config.NetworkEnabled, name == "none":
		p.spec.Network = cupel.NetworkNone
	case name == "", name == "bridge", name == "default":
		if p.spec.Network = policy.Network; policy.Network == cupel.NetworkNone {
			p.adapt("network bridge: none, as the operator set")
		} else {
			p.adapt("network bridge: %s, as the operator set", policy.Network)
		}
	case name == "host":
		if !policy.HostNetwork {
			return cupel.Errorf(cupel.Unsupported, "", `network "host" is not allowed on this server: leave it out, or let the operator set --host-network`)
		}
		p.spec.Network = cupel.NetworkHost
	default:
		return cupel.Errorf(cupel.Unsupported, "", `network %s is not there: use "none", or "bridge" for what the operator allows`, quoted(name))
	}
	return nil
}

// planRest refuses what there is no means for.
func (s *Server) planRest(p *plan) error {
	c := p.config
	if p.stateless() {
		if c.BaseURL != nil {
			return cupel.Errorf(cupel.Unsupported, "", "base_url %s: this server forwards to no other; leave it out to run here", quoted(*c.BaseURL))
		}
		p.adapt("volcengine: each tool runs in a fresh sandbox of this server, without state")
		return nil
	}
	if c.Privileged {
		return cupel.Errorf(cupel.Unsupported, "", "privileged true is never granted: leave it out")
	}
	for port := range c.Ports {
		if port != enclave.NotebookPort || c.Type != enclave.TypeDockerNotebook {
			return cupel.Errorf(cupel.Unsupported, "", "ports %s: a sandbox has no port that can be reached; leave ports out", quoted(port))
		}
	}
	if c.Platform != nil && !ownPlatform(*c.Platform) {
		return cupel.Errorf(cupel.Unsupported, "", "platform %s: this machine is %s; leave it out", quoted(*c.Platform), "linux/"+runtime.GOARCH)
	}
	program, err := startCommand(c.Entrypoint, c.Command)
	if err != nil {
		return err
	}
	switch {
	case len(program) == 0:
	case keepsAlive(program):
		p.adapt("command %s: not run, since a sandbox needs nothing to stay", clip(strings.Join(program, " ")))
	default:
		p.program = program
		p.adapt("command %s: runs beside the tools for at most %v", clip(strings.Join(program, " ")), s.cfg.Policy.MaxTime)
	}
	return nil
}

func ownPlatform(name string) bool {
	os, arch, _ := strings.Cut(name, "/")
	arch, _, _ = strings.Cut(arch, "/")
	switch arch {
	case "x86_64":
		arch = "amd64"
	case "aarch64":
		arch = "arm64"
	}
	return name == "" || os == "linux" && (arch == runtime.GOARCH || name == "linux/amd64")
}

// tellOnce logs what was adapted, once for each distinct text.
func (s *Server) tellOnce(p *plan) {
	if len(p.adapted) == 0 {
		return
	}
	text := strings.Join(p.adapted, "; ")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told[text] || len(s.told) >= 1000 {
		return
	}
	s.told[text] = true
	s.cfg.Log.Info("Config adapted: "+text, slog.String("image", p.config.Image))
}
