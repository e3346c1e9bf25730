package cupel

import (
	"maps"
	"slices"
	"strings"
)

// Spec is what a sandbox is made of. Its zero value, merged over DefaultSpec,
// is the host's own toolchains, read-only, without network or privileges.
type Spec struct {
	// Image is the root file system: "host" (this machine's toolchains),
	// "dir:PATH" or "tar:PATH". Default "host".
	Image string `json:"image,omitempty"`
	// Mounts are host paths shown inside; see Mount.
	Mounts []Mount `json:"mounts,omitempty"`
	// Limits bound every Exec; Disk and Inodes bound the whole sandbox.
	Limits Limits `json:"limits,omitzero"`
	// Network is NetworkNone (default) or NetworkHost.
	Network Network `json:"network,omitempty"`
	// User is "UID" or "UID:GID" inside the sandbox. Default "0": root of the
	// sandbox alone, without any capability.
	User string `json:"user,omitempty"`
	// Env is added to, and wins over, the clean environment (PATH, HOME,
	// LANG, TMPDIR).
	Env map[string]string `json:"env,omitempty"`
	// Dir is the private, writable working directory. Default "/work".
	Dir string `json:"dir,omitempty"`
	// Writable makes the whole root file system writable through an overlay
	// that is discarded with the sandbox. Default: read-only but for Dir,
	// HOME, /tmp and /dev/shm.
	Writable bool `json:"writable,omitempty"`
	// Privileges is PrivilegesNone (default) or PrivilegesContainer.
	Privileges Privileges `json:"privileges,omitempty"`
	// Isolation is the weakest tier that is accepted. Default "standard".
	Isolation IsolationLevel `json:"isolation,omitempty"`
}

// Network says what a sandbox can reach.
type Network string

// The networks. NetworkNone is a private loopback and nothing else.
const (
	NetworkNone Network = "none"
	NetworkHost Network = "host"
)

// Privileges says which capabilities programs hold inside their own user
// namespace. Neither value gives any power over the host.
type Privileges string

// The privileges. PrivilegesContainer is Docker's default capability set and
// ptrace of the sandbox's own processes, for agents' images.
const (
	PrivilegesNone      Privileges = "none"
	PrivilegesContainer Privileges = "container"
)

// Mount shows a host path inside the sandbox. Mounts are read-only unless
// Writable.
type Mount struct {
	Source   string `json:"source"`
	Target   string `json:"target"`
	Writable bool   `json:"writable,omitempty"`
}

// DefaultSpec is what an empty Spec means.
func DefaultSpec() Spec {
	return Spec{
		Image:      "host",
		Limits:     DefaultLimits(),
		Network:    NetworkNone,
		User:       "0",
		Dir:        "/work",
		Privileges: PrivilegesNone,
		Isolation:  IsolationStandard,
	}
}

// Merge returns s with every field that over sets replaced by over's value.
// Limits merge field by field; Env merges key by key; Mounts are replaced.
// Neither argument is changed.
func (s Spec) Merge(over Spec) Spec {
	out := s
	out.Image = pick(over.Image, s.Image)
	out.Limits = s.Limits.Merge(over.Limits)
	out.Network = pick(over.Network, s.Network)
	out.User = pick(over.User, s.User)
	out.Dir = pick(over.Dir, s.Dir)
	out.Writable = s.Writable || over.Writable
	out.Privileges = pick(over.Privileges, s.Privileges)
	out.Isolation = pick(over.Isolation, s.Isolation)
	out.Mounts = slices.Clone(s.Mounts)
	if over.Mounts != nil {
		out.Mounts = slices.Clone(over.Mounts)
	}
	out.Env = maps.Clone(s.Env)
	for k, v := range over.Env {
		if out.Env == nil {
			out.Env = map[string]string{}
		}
		out.Env[k] = v
	}
	return out
}

// Normalize merges s over DefaultSpec and validates the result. The error is
// of kind Invalid and names the field, the value and the fix.
func (s Spec) Normalize() (Spec, error) {
	out := DefaultSpec().Merge(s)
	return out, out.validate()
}

func (s Spec) validate() error {
	if err := s.Limits.Validate(); err != nil {
		return err
	}
	switch s.Network {
	case NetworkNone, NetworkHost:
	default:
		return Invalidf("network", string(s.Network), "use none or host")
	}
	switch s.Privileges {
	case PrivilegesNone, PrivilegesContainer:
	default:
		return Invalidf("privileges", string(s.Privileges), "use none or container")
	}
	if _, err := s.Isolation.Accepts(TierNamespaces); err != nil {
		return err
	}
	if _, _, err := ParseUser(s.User); err != nil {
		return err
	}
	if err := cleanPath("dir", s.Dir); err != nil {
		return err
	}
	for _, m := range s.Mounts {
		if err := cleanPath("mount source", m.Source); err != nil {
			return err
		}
		if err := cleanPath("mount target", m.Target); err != nil {
			return err
		}
	}
	return validateEnv(s.Env)
}

func validateEnv(env map[string]string) error {
	for k, v := range env {
		if k == "" || strings.ContainsAny(k, "=\x00") {
			return Invalidf("env", k, "a name is not empty and holds no '=' or NUL")
		}
		if strings.ContainsRune(v, 0) {
			return Invalidf("env "+k, v, "a value holds no NUL")
		}
	}
	return nil
}

// cleanPath refuses paths that are not absolute, not clean, the root itself or
// that hold a NUL.
func cleanPath(field, p string) error {
	switch {
	case !strings.HasPrefix(p, "/"):
		return Invalidf(field, p, "give an absolute path")
	case p == "/" || strings.ContainsRune(p, 0):
		return Invalidf(field, p, "give a path below /, without NUL")
	}
	for part := range strings.SplitSeq(p[1:], "/") {
		if part == "" || part == "." || part == ".." {
			return Invalidf(field, p, "give a clean path, without '//', '.' or '..'")
		}
	}
	return nil
}

func pick[T ~string](over, base T) T {
	if over != "" {
		return over
	}
	return base
}
