package enclave

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// ConfigError is what is wrong with a config, in Pydantic's words.
type ConfigError struct {
	// Model is the class that the config is read as.
	Model    string
	Problems []ValidationError
}

// Error lists the problems as Pydantic does, without its links.
func (e *ConfigError) Error() string {
	var b strings.Builder
	s := "s"
	if len(e.Problems) == 1 {
		s = ""
	}
	fmt.Fprintf(&b, "%d validation error%s for %s", len(e.Problems), s, e.Model)
	for _, p := range e.Problems {
		parts := make([]string, len(p.Loc))
		for i, l := range p.Loc {
			parts[i] = fmt.Sprint(l)
		}
		fmt.Fprintf(&b, "\n%s\n  %s [type=%s, input_value=%s, input_type=%s]",
			strings.Join(parts, "."), p.Msg, p.Type, p.value.clipped(), p.value.Kind())
	}
	return b.String()
}

// models are the classes that configs are read as.
var models = map[SandboxType]string{
	TypeDocker: "DockerSandboxConfig", TypeDockerNotebook: "DockerNotebookConfig",
	TypeVolcengine: "VolcengineSandboxConfig", TypeDummy: "SandboxConfig",
}

// ParseConfig reads the config of a sandbox of a type: an object as CheckJSON
// accepts it. Nothing, null and {} are the default. Keys that the type doesn't
// have are ignored, as the protocol does. The error is a *ConfigError, or says
// that raw is no JSON object.
func ParseConfig(typ SandboxType, raw json.RawMessage) (Config, error) {
	c := DefaultConfig(typ)
	if len(raw) > 0 {
		v, bad, err := CheckJSON(raw)
		switch {
		case err != nil:
			return c, err
		case bad != nil:
			return c, fmt.Errorf("%s: %v", bad.Msg, bad.Ctx["error"])
		case v.Kind() == "NoneType":
		case v.Kind() != "dict":
			return c, plainError(dictMsg)
		default:
			var p problems
			given := map[string]Value{}
			for _, m := range v.Members() {
				given[m.Key] = m.Value
			}
			for _, f := range c.fields(&p) {
				if value, ok := given[f.name]; ok {
					f.read(value, f.name)
				}
			}
			if p != nil {
				return c, &ConfigError{Model: models[typ], Problems: p}
			}
		}
	}
	if typ == TypeDockerNotebook {
		// The notebook's class does this to its config.
		c.Ports[NotebookPort], c.NetworkEnabled = c.Port, true
	}
	return c, nil
}

// reader reads one field.
type reader struct {
	name string
	read func(v Value, name string)
}

// fields are the fields of c's type in the order in which they are checked.
func (c *Config) fields(p *problems) []reader {
	all := []reader{
		{"timeout", plain(p, coerceInt, &c.Timeout)},
		{"tools_config", func(v Value, name string) { p.tools(v, name, &c.ToolsConfig) }},
		{"working_dir", plain(p, coerceText, &c.WorkingDir)},
		{"env_vars", texts(p, &c.EnvVars)},
		{"resource_limits", func(v Value, name string) {
			if v.Kind() != "dict" {
				p.add(dictType, dictMsg, v, name)
			}
			c.ResourceLimits = v
		}},
	}
	if c.Type == TypeDocker || c.Type == TypeDockerNotebook {
		all = append(all, c.dockerFields(p)...)
	}
	if c.Type == TypeDockerNotebook {
		all = append(all,
			reader{"host", plain(p, coerceText, &c.Host)},
			reader{"port", plain(p, coerceInt, &c.Port)},
			reader{"token", p.optionalText(coerceText, &c.Token)})
	}
	if c.Type == TypeVolcengine {
		all = append(all, c.volcengineFields(p)...)
	}
	return all
}

func (c *Config) dockerFields(p *problems) []reader {
	return []reader{
		{"image", plain(p, coerceText, &c.Image)},
		{"entrypoint", orNone(p.command(&c.Entrypoint), func() {})},
		{"command", orNone(p.command(&c.Command), func() {})},
		{"volumes", func(v Value, name string) { p.volumes(v, name, c.Volumes) }},
		{"ports", func(v Value, name string) { p.ports(v, name, c.Ports) }},
		{"network", p.optionalText(coerceText, &c.Network)},
		{"extra_hosts", texts(p, &c.Hosts)},
		{"platform", p.optionalText(coerceText, &c.Platform)},
		{"memory_limit", plain(p, coerceMemory, &c.MemoryLimit)},
		{"cpu_limit", plain(p, coerceCPUs, &c.CPULimit)},
		{"network_enabled", plain(p, coerceBool, &c.NetworkEnabled)},
		{"privileged", plain(p, coerceBool, &c.Privileged)},
		{"remove_on_exit", plain(p, coerceBool, &c.RemoveOnExit)},
		{"pull_progress", plain(p, coerceBool, &c.PullProgress)},
		{"pull_progress_interval", plain(p, coerceFloat, &c.PullProgressInterval)},
		{"docker_executor_workers", plain(p, coerceInt, &c.DockerExecutorWorkers)},
	}
}

func (c *Config) volcengineFields(p *problems) []reader {
	return []reader{
		{"base_url", p.optionalText(coerceURL, &c.BaseURL)},
		{"run_code_path", plain(p, coercePath, &c.RunCodePath)},
		{"request_timeout", plain(p, coerceFloat, &c.RequestTimeout)},
		{"verify_ssl", plain(p, coerceBool, &c.VerifySSL)},
		{"extra_headers", orNone(texts(p, &c.ExtraHeaders), func() {})},
		{"api_key", p.optionalText(coerceText, &c.APIKey)},
		{"dataset_language_map", orNone(texts(p, &c.DatasetLanguageMap), func() {})},
		{"tool_language_map", texts(p, &c.ToolLanguageMap)},
	}
}

// plain reads a field that one coerce function reads.
func plain[T any](p *problems, coerce func(Value, *T) (kind, msg string), to *T) func(Value, string) {
	return func(v Value, name string) {
		if kind, msg := coerce(v, to); kind != "" {
			p.add(kind, msg, v, name)
		}
	}
}

// orNone reads a field that may be null.
func orNone(read func(Value, string), none func()) func(Value, string) {
	return func(v Value, name string) {
		if v.Kind() == "NoneType" {
			none()
			return
		}
		read(v, name)
	}
}

// optionalText reads a text that may be null.
func (p *problems) optionalText(coerce func(Value, *string) (kind, msg string), to **string) func(Value, string) {
	return orNone(func(v Value, name string) {
		*to = new(string)
		plain(p, coerce, *to)(v, name)
	}, func() { *to = nil })
}

// texts reads a dict of texts.
func texts(p *problems, to *map[string]string) func(Value, string) {
	return func(v Value, name string) {
		if v.Kind() != "dict" {
			p.add(dictType, dictMsg, v, name)
			return
		}
		*to = p.texts(v, name)
	}
}

func (p *problems) texts(v Value, loc ...any) map[string]string {
	out := map[string]string{}
	for _, m := range v.Members() {
		var s string
		if kind, msg := coerceText(m.Value, &s); kind != "" {
			p.add(kind, msg, m.Value, append(loc, m.Key)...)
			continue
		}
		out[m.Key] = s
	}
	return out
}

var memoryText = regexp.MustCompile(`^[0-9]+[kmgKMG]?$`)

// coerceMemory takes what theirs takes, but other than ASCII digits and a line
// feed at the end, with which Docker can do nothing.
func coerceMemory(v Value, to *string) (kind, msg string) {
	if kind, msg := coerceText(v, to); kind != "" {
		return kind, msg
	}
	if !memoryText.MatchString(*to) {
		return "value_error", "Value error, Invalid memory limit format"
	}
	return "", ""
}

func coerceCPUs(v Value, to *Float) (kind, msg string) {
	if kind, msg := coerceFloat(v, to); kind != "" {
		return kind, msg
	}
	if *to <= 0 {
		return "value_error", "Value error, CPU limit must be positive"
	}
	return "", ""
}

func coerceURL(v Value, to *string) (kind, msg string) {
	if kind, msg := coerceText(v, to); kind != "" {
		return kind, msg
	}
	if *to = strings.TrimRightFunc(*to, func(r rune) bool { return r == '/' }); *to == "" {
		return "value_error", "Value error, base_url, when provided, must be non-empty"
	}
	return "", ""
}

func coercePath(v Value, to *string) (kind, msg string) {
	if kind, msg := coerceText(v, to); kind != "" {
		return kind, msg
	}
	if !strings.HasPrefix(*to, "/") {
		*to = "/" + *to
	}
	return "", ""
}
