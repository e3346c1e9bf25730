package enclave

import "encoding/json"

// SandboxType is a kind of sandbox, a closed set.
type SandboxType string

// The sandbox types, in the order in which the server names them.
const (
	TypeDocker         SandboxType = "docker"
	TypeDockerNotebook SandboxType = "docker_notebook"
	TypeVolcengine     SandboxType = "volcengine"
	TypeDummy          SandboxType = "dummy"
)

// SandboxTypes is the closed set.
var SandboxTypes = []SandboxType{TypeDocker, TypeDockerNotebook, TypeVolcengine, TypeDummy}

// SandboxStatus is where a sandbox is in its life, a closed set.
type SandboxStatus string

// The sandbox statuses.
const (
	StatusInitializing SandboxStatus = "initializing"
	StatusRunning      SandboxStatus = "running"
	StatusIdle         SandboxStatus = "idle" // in a pool
	StatusBusy         SandboxStatus = "busy" // in a pool, lent
	StatusStopping     SandboxStatus = "stopping"
	StatusStopped      SandboxStatus = "stopped"
	StatusError        SandboxStatus = "error"
)

// SandboxStatuses is the closed set.
var SandboxStatuses = []SandboxStatus{
	StatusInitializing, StatusRunning, StatusIdle, StatusBusy, StatusStopping, StatusStopped, StatusError,
}

// SandboxInfo is what a server tells of a sandbox.
type SandboxInfo struct {
	ID     string        `json:"id"`
	Status SandboxStatus `json:"status"`
	Type   SandboxType   `json:"type"`
	// Config is the config with its defaults, keys without a value left out.
	Config    json.RawMessage `json:"config"`
	CreatedAt Time            `json:"created_at"`
	UpdatedAt Time            `json:"updated_at"`
	Metadata  map[string]any  `json:"metadata"`
	// AvailableTools are the sandbox's tools by name.
	AvailableTools map[string]ToolSchema `json:"available_tools"`
}

// ToolSchema describes a tool in the form of OpenAI's function calling.
type ToolSchema struct {
	Type     string       `json:"type"` // "function"
	Function ToolFunction `json:"function"`
}

// ToolFunction is the function that a tool is. Parameters is a JSON schema.
type ToolFunction struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
}

// HealthCheckResult is the answer of /health; Uptime is in seconds.
type HealthCheckResult struct {
	Healthy         bool           `json:"healthy"`
	Version         string         `json:"version"`
	Uptime          float64        `json:"uptime"`
	ActiveSandboxes int            `json:"active_sandboxes"`
	SystemInfo      map[string]any `json:"system_info"`
}

// PoolInitialized is the answer of /pool/initialize.
type PoolInitialized struct {
	Message    string   `json:"message"`
	PoolSize   int      `json:"pool_size"`
	SandboxIDs []string `json:"sandbox_ids"`
}
