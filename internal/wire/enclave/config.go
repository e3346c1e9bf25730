package enclave

import (
	"encoding/json"
	"strings"
)

// Config is a sandbox's configuration with its defaults: the fields of all
// types in one. Which of them a type has is what MarshalJSON writes.
type Config struct {
	Type SandboxType

	// Timeout is in seconds and read by nobody: each tool has its own.
	Timeout     json.Number
	ToolsConfig []ToolConfig
	WorkingDir  string
	EnvVars     map[string]string
	// ResourceLimits is an object that nobody reads.
	ResourceLimits Value

	// Of docker and docker_notebook:

	Image               string
	Entrypoint, Command *Command
	// Volumes are host paths with "bind" and "mode".
	Volumes map[string]map[string]string
	// Ports are numbers, texts or pairs of both.
	Ports    map[string]any
	Network  *string
	Hosts    map[string]string // extra_hosts
	Platform *string
	// MemoryLimit is digits with k, m or g behind them, or bytes.
	MemoryLimit                              string
	CPULimit                                 Float
	NetworkEnabled, Privileged, RemoveOnExit bool
	PullProgress                             bool
	PullProgressInterval                     Float
	DockerExecutorWorkers                    json.Number

	// Of docker_notebook:

	Host  string
	Port  json.Number
	Token *string

	// Of volcengine:

	BaseURL            *string
	RunCodePath        string
	RequestTimeout     Float
	VerifySSL          bool
	ExtraHeaders       map[string]string // nil is none
	APIKey             *string
	DatasetLanguageMap map[string]string // nil is none
	ToolLanguageMap    map[string]string
}

// The defaults that clients send without meaning anything by them.
const (
	DefaultImage         = "python:3.11-slim"
	DefaultNotebookImage = "jupyter-kernel-gateway"
	DefaultNetwork       = "bridge"
	DefaultMemoryLimit   = "4g"
	DefaultCPULimit      = Float(2)
	// NotebookPort is the port that a notebook's gateway has in its container.
	NotebookPort = "8888/tcp"
)

// ToolConfig is a tool that a sandbox shall have, with its options: an object.
type ToolConfig struct {
	Name    string
	Options Value
}

// Command is one text or a list of arguments.
type Command struct {
	Text string
	List []string // nil when it is a text
}

// MarshalJSON writes the text or the list.
func (c Command) MarshalJSON() ([]byte, error) {
	if c.List != nil {
		return json.Marshal(c.List)
	}
	return json.Marshal(c.Text)
}

// DefaultConfig is what a sandbox of a type is without a config.
func DefaultConfig(typ SandboxType) Config {
	network := DefaultNetwork
	c := Config{
		Type: typ, Timeout: "30", WorkingDir: "/sandbox", EnvVars: map[string]string{}, ResourceLimits: Value("{}"),
		Image: DefaultImage, Volumes: map[string]map[string]string{}, Ports: map[string]any{}, Network: &network,
		Hosts: map[string]string{}, MemoryLimit: DefaultMemoryLimit, CPULimit: DefaultCPULimit, NetworkEnabled: true,
		RemoveOnExit: true, PullProgressInterval: 3, DockerExecutorWorkers: "8",
		Host: "127.0.0.1", Port: "8888",
		RunCodePath: "/run_code", RequestTimeout: 30, VerifySSL: true, ToolLanguageMap: map[string]string{},
	}
	if typ == TypeDockerNotebook {
		c.Image = DefaultNotebookImage
	}
	return c
}

// member is a field of a config as it is written.
type member struct {
	name  string
	value any
}

// MarshalJSON writes the fields of the config's type, those without a value
// left out, as the server shows a config.
func (c Config) MarshalJSON() ([]byte, error) {
	tools := map[string]Value{}
	for _, t := range c.ToolsConfig {
		tools[t.Name] = t.Options
	}
	all := []member{
		{"timeout", c.Timeout}, {"tools_config", tools}, {"working_dir", c.WorkingDir},
		{"env_vars", orEmpty(c.EnvVars)}, {"resource_limits", c.ResourceLimits},
	}
	if c.Type == TypeDocker || c.Type == TypeDockerNotebook {
		all = append(all, c.docker()...)
	}
	if c.Type == TypeDockerNotebook {
		all = append(all, member{"host", c.Host}, member{"port", c.Port}, optional("token", c.Token))
	}
	if c.Type == TypeVolcengine {
		all = append(all, c.volcengine()...)
	}
	var b strings.Builder
	sep := "{"
	for _, m := range all {
		if m.value == nil {
			continue
		}
		text, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		b.WriteString(sep + `"` + m.name + `":` + string(text))
		sep = ","
	}
	return []byte(b.String() + "}"), nil
}

func (c Config) docker() []member {
	volumes := c.Volumes
	if volumes == nil {
		volumes = map[string]map[string]string{}
	}
	ports := c.Ports
	if ports == nil {
		ports = map[string]any{}
	}
	return []member{
		{"image", c.Image}, optional("entrypoint", c.Entrypoint), optional("command", c.Command), {"volumes", volumes},
		{"ports", ports}, optional("network", c.Network), {"extra_hosts", orEmpty(c.Hosts)}, optional("platform", c.Platform),
		{"memory_limit", c.MemoryLimit}, {"cpu_limit", c.CPULimit}, {"network_enabled", c.NetworkEnabled},
		{"privileged", c.Privileged}, {"remove_on_exit", c.RemoveOnExit}, {"pull_progress", c.PullProgress},
		{"pull_progress_interval", c.PullProgressInterval}, {"docker_executor_workers", c.DockerExecutorWorkers},
	}
}

func (c Config) volcengine() []member {
	all := []member{
		optional("base_url", c.BaseURL), {"run_code_path", c.RunCodePath}, {"request_timeout", c.RequestTimeout},
		{"verify_ssl", c.VerifySSL}, optional("api_key", c.APIKey), {"tool_language_map", orEmpty(c.ToolLanguageMap)},
	}
	if c.ExtraHeaders != nil {
		all = append(all, member{"extra_headers", c.ExtraHeaders})
	}
	if c.DatasetLanguageMap != nil {
		all = append(all, member{"dataset_language_map", c.DatasetLanguageMap})
	}
	return all
}

func optional[T any](name string, v *T) member {
	if v == nil {
		return member{name, nil}
	}
	return member{name, *v}
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
