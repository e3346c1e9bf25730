package enclave

import (
	"strings"

	"cupel.dev/cupel/internal/compat/enclave/tool"
	"cupel.dev/cupel/internal/wire/enclave"
)

// boundTool is a tool as one sandbox has it: the config may rename it.
type boundTool struct {
	tool.Tool
	name   string
	schema enclave.ToolSchema
}

// find returns the tool of a name.
func (p *plan) find(name string) (boundTool, bool) {
	for _, t := range p.tools {
		if t.name == name {
			return t, true
		}
	}
	return boundTool{}, false
}

// schemas are the tools as SandboxInfo has them.
func (p *plan) schemas() map[string]enclave.ToolSchema {
	all := map[string]enclave.ToolSchema{}
	for _, t := range p.tools {
		all[t.name] = t.schema
	}
	return all
}

// planTools makes the tools that the config asks for. One that isn't there, or
// doesn't fit the type, is left out with a word, as theirs does.
func (s *Server) planTools(p *plan) error {
	for _, asked := range p.config.ToolsConfig {
		t, ok := tool.Lookup(asked.Name)
		if !ok {
			p.adapt("tool %s: not there; there are %s", clip(asked.Name), strings.Join(tool.Names(), ", "))
			continue
		}
		bound := boundTool{Tool: t, name: t.Name, schema: t.Schema}
		enabled := true
		for _, option := range asked.Options.Members() {
			switch option.Key {
			case "enabled":
				enabled = truth(option.Value)
			case "name":
				if name := option.Value.Text(); name != "" {
					bound.name, bound.schema.Function.Name = name, name
				}
			case "description":
				if about := option.Value.Text(); about != "" {
					bound.schema.Function.Description = about
				}
			}
		}
		_, again := p.find(bound.name)
		switch {
		case !enabled:
			p.adapt("tool %s: not enabled", clip(bound.name))
		case !t.Fits(p.config.Type):
			p.adapt("tool %s: not for sandboxes of type %s", clip(bound.name), p.config.Type)
		case again:
			p.adapt("tool %s: there already", clip(bound.name))
		default:
			p.tools = append(p.tools, bound)
		}
	}
	return nil
}

// truth is what Python takes a value for.
func truth(v enclave.Value) bool {
	switch string(v) {
	case "false", "null", "0", "0.0", `""`, "[]", "{}":
		return false
	}
	return true
}
