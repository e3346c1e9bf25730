package api

import (
	"time"

	"cupel.dev/cupel"
)

// Spec is what a sandbox or a pool is made of; see cupel.Spec.
type Spec struct {
	// Image is "host" (the default) or a name that the operator maps.
	Image string `json:"image,omitempty"`
	// Mounts are paths of the server's host, below those that the operator
	// allows.
	Mounts  []Mount       `json:"mounts,omitempty"`
	Limits  Limits        `json:"limits,omitzero"`
	Network cupel.Network `json:"network,omitempty"`
	// User is "UID" or "UID:GID" inside the sandbox.
	User string            `json:"user,omitempty"`
	Env  map[string]string `json:"env,omitempty"`
	// Dir is the private, writable working directory. Default "/work".
	Dir        string               `json:"dir,omitempty"`
	Writable   bool                 `json:"writable,omitempty"`
	Privileges cupel.Privileges     `json:"privileges,omitempty"`
	Isolation  cupel.IsolationLevel `json:"isolation,omitempty"`
}

// Mount shows a path of the server's host inside the sandbox, read-only unless
// Writable.
type Mount struct {
	Source   string `json:"source"`
	Target   string `json:"target"`
	Writable bool   `json:"writable,omitempty"`
}

// NewSpec writes a spec for the wire.
func NewSpec(s cupel.Spec) Spec {
	out := Spec{
		Image: s.Image, Limits: NewLimits(s.Limits), Network: s.Network, User: s.User, Env: s.Env, Dir: s.Dir,
		Writable: s.Writable, Privileges: s.Privileges, Isolation: s.Isolation,
	}
	for _, m := range s.Mounts {
		out.Mounts = append(out.Mounts, Mount(m))
	}
	return out
}

// Cupel returns the spec in the root package's terms.
func (s Spec) Cupel() cupel.Spec {
	out := cupel.Spec{
		Image: s.Image, Limits: s.Limits.Cupel(), Network: s.Network, User: s.User, Env: s.Env, Dir: s.Dir,
		Writable: s.Writable, Privileges: s.Privileges, Isolation: s.Isolation,
	}
	for _, m := range s.Mounts {
		out.Mounts = append(out.Mounts, cupel.Mount(m))
	}
	return out
}

// Sandbox is a sandbox of the caller's own, until it is deleted or nobody used
// it for the server's idle time.
type Sandbox struct {
	ID     string `json:"id"`
	Engine string `json:"engine"`
	// Spec is complete: defaults are filled in, and Image is as it was asked
	// for.
	Spec Spec `json:"spec"`
	// Created and Used are when it was made and last used. Running counts
	// programs and transfers now; one that is not 0 keeps it from expiring.
	Created time.Time `json:"created"`
	Used    time.Time `json:"used"`
	Running int       `json:"running"`
}

// SandboxList answers GET /v1/sandboxes: the caller's own, oldest first.
type SandboxList struct {
	Sandboxes []Sandbox `json:"sandboxes"`
}

// ExecRequest asks for a program in a sandbox: POST /v1/sandboxes/{id}/exec,
// whose answer is a [Result] or a stream of events.
type ExecRequest struct {
	// Args are the program, looked up in PATH, and its arguments.
	Args []string `json:"args"`
	// Stdin is what the program reads, as text or bytes; not both.
	Stdin       string `json:"stdin,omitempty"`
	StdinBase64 []byte `json:"stdin_base64,omitempty"`
	// Env is added to, and wins over, the sandbox's.
	Env map[string]string `json:"env,omitempty"`
	// Dir and User are the sandbox's where they are unset.
	Dir  string `json:"dir,omitempty"`
	User string `json:"user,omitempty"`
	// Limits may be tighter than the sandbox's, not wider. Disk and inodes
	// are the whole sandbox's and are not set here.
	Limits Limits `json:"limits,omitzero"`
}
