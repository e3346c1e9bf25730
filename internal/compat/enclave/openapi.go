package enclave

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"cupel.dev/cupel/internal/wire/enclave"
)

// object is a JSON object of the OpenAPI document.
type object map[string]any

// operation describes one route. What every route has in common is added by
// document.
type operation struct {
	summary, about string
	parameters     []object
	body           object
	// answer is the schema of a 200.
	answer object
	// refusals are the statuses of its own, besides the common ones.
	refusals []int
	html     bool
}

// operations has a row for each of routes, by method and pattern.
var operations = map[string]operation{
	"GET /openapi.json": {summary: "This document", answer: object{"type": "object"}},
	"GET /docs":         {summary: "The routes for people", html: true},
	"GET /health":       {summary: "Is the server well", answer: ref("HealthCheckResult")},
	"GET /stats":        {summary: "What is there, counted", answer: ref("Stats")},
	"POST /sandbox/create": {
		summary:    "Make a sandbox",
		about:      "An image has to be one that the operator mapped. The config is read as the type's class; unknown keys are ignored.",
		parameters: []object{query("sandbox_type", true, ref("SandboxType"), "The kind of sandbox")},
		body:       jsonBody(false, object{"anyOf": []object{ref("SandboxConfig"), {"type": "null"}}}),
		answer:     shape(object{"sandbox_id": text("Its id")}, "sandbox_id"), refusals: []int{422, 429},
	},
	"GET /sandboxes": {
		summary: "List the sandboxes", parameters: []object{query("status", false, ref("SandboxStatus"), "Only those with this status")},
		answer: object{"type": "array", "items": ref("SandboxInfo")}, refusals: []int{422},
	},
	"GET /sandbox/{sandbox_id}":    {summary: "Inspect a sandbox", answer: ref("SandboxInfo"), refusals: []int{404}},
	"DELETE /sandbox/{sandbox_id}": {summary: "End a sandbox and forget it", answer: ref("Message"), refusals: []int{404}},
	"POST /sandbox/{sandbox_id}/stop": {
		summary: "End a sandbox", about: "Its record is kept for an hour. A slot leaves its pool.", answer: ref("Message"), refusals: []int{404},
	},
	"GET /sandbox/{sandbox_id}/tools": {
		summary: "The tools of a sandbox", answer: object{"type": "object", "additionalProperties": ref("ToolSchema")}, refusals: []int{404},
	},
	"POST /sandbox/tool/execute": {
		summary: "Run a tool in a sandbox", body: jsonBody(true, ref("ToolExecutionRequest")), answer: ref("ToolResult"), refusals: []int{404, 422, 429},
	},
	"POST /sandbox/{sandbox_id}/archive": {
		summary:    "Unpack a tar archive",
		about:      "target_dir is made if it isn't there; a relative one is below the working directory. application/x-tar is as good a content type.",
		parameters: []object{query("target_dir", true, text(""), "The directory")},
		body:       object{"required": true, "content": object{"application/octet-stream": object{"schema": object{"type": "string", "format": "binary"}}}},
		answer:     shape(object{"ok": object{"type": "boolean"}}, "ok"), refusals: []int{404, 422, 501},
	},
	"POST /pool/initialize": {
		summary: "Make a pool, or make it larger",
		about:   "Each config has a pool of its own. A size of 0 or less makes none. A pool that can't make a sandbox is an error.",
		parameters: []object{query("pool_size", false, ref("PoolSize"), "How many may run at once"),
			query("sandbox_type", false, ref("SandboxType"), "The kind of sandbox; default docker")},
		body:   jsonBody(false, object{"anyOf": []object{ref("SandboxConfig"), {"type": "null"}}}),
		answer: ref("PoolInitialized"), refusals: []int{422, 429},
	},
	"POST /pool/execute": {
		summary: "Run a tool in a pool", about: "The body are the tool's parameters. timeout bounds the wait for a sandbox alone.",
		parameters: []object{query("tool_name", true, text(""), "The tool"), query("timeout", false, object{"type": "number"}, "Seconds")},
		body:       jsonBody(true, object{"type": "object", "additionalProperties": true}),
		answer:     ref("ToolResult"), refusals: []int{422, 429},
	},
}

// commonRefusals are what the door and every handler may answer.
var commonRefusals = []int{400, 401, 403, 405, 408, 409, 413, 415, 421, 500, 503}

var refusalTexts = map[int]string{
	400: "The request can't be honoured", 401: "The key is missing or wrong", 403: "The web origin is not allowed", 404: "There is no such sandbox or tool",
	405: "The path has other methods", 408: "The body, or a sandbox of the pool, took too long", 409: "Several pools are named or could be meant, or the sandbox is a pool's",
	413: "The body is too long", 415: "The body has the content type of a web form", 421: "The Host is none of this server's", 422: "A value is missing or wrong",
	429: "There is no room now: try again", 500: "The machine failed", 501: "The type of the sandbox can't do this", 503: "The server can't work now: try again",
}

func ref(name string) object { return object{"$ref": "#/components/schemas/" + name} }

func text(about string) object {
	if about == "" {
		return object{"type": "string"}
	}
	return object{"type": "string", "description": about}
}

func shape(properties object, required ...string) object {
	return object{"type": "object", "properties": properties, "required": required}
}

func query(name string, required bool, schema object, about string) object {
	return object{"name": name, "in": "query", "required": required, "schema": schema, "description": about}
}

func jsonBody(required bool, schema object) object {
	return object{"required": required, "content": object{"application/json": object{"schema": schema}}}
}

func enum[T ~string](all []T) object { return object{"type": "string", "enum": all} }

// schemas are the types that the routes name.
func schemas(mostSlots int) object {
	moment := object{"type": "string", "description": "Local time without a zone", "pattern": `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?$`}
	anything := object{"type": "object", "additionalProperties": true}
	count := object{"type": "integer", "minimum": 0}
	tools := object{"type": "object", "additionalProperties": ref("ToolSchema")}
	return object{
		"SandboxType":     enum([]enclave.SandboxType{enclave.TypeDocker, enclave.TypeDockerNotebook, enclave.TypeVolcengine}),
		"PoolSize":        object{"type": "integer", "maximum": mostSlots},
		"SandboxStatus":   enum(enclave.SandboxStatuses),
		"ExecutionStatus": enum([]enclave.ExecutionStatus{enclave.Success, enclave.Error, enclave.Timeout, enclave.Cancelled}),
		"SandboxConfig":   object{"type": "object", "additionalProperties": true, "description": configAbout},
		"SandboxInfo": shape(object{
			"id": text(""), "status": ref("SandboxStatus"), "type": ref("SandboxType"), "config": anything, "created_at": moment, "updated_at": moment,
			"metadata": anything, "available_tools": tools,
		}, "id", "status", "type", "config", "created_at", "updated_at", "metadata", "available_tools"),
		"ToolSchema": shape(object{
			"type": object{"const": "function"},
			"function": shape(object{"name": text(""), "description": text(""), "parameters": anything},
				"name", "description", "parameters"),
		}, "type", "function"),
		"ToolExecutionRequest": shape(object{
			"sandbox_id": text(""), "tool_name": text(""), "parameters": anything,
			"timeout": object{"type": []string{"integer", "null"}, "description": "Read by nobody: the tool's own parameter counts"},
		}, "sandbox_id", "tool_name"),
		"ToolResult": shape(object{
			"status": ref("ExecutionStatus"), "execution_time": object{"type": []string{"number", "null"}}, "timestamp": moment, "tool_name": text(""),
			"output": object{}, "metadata": anything, "error": object{"type": []string{"string", "null"}},
		}, "status", "execution_time", "timestamp", "tool_name", "output", "metadata", "error"),
		"HealthCheckResult": shape(object{
			"healthy": object{"type": "boolean"}, "version": text(""), "uptime": object{"type": "number"}, "active_sandboxes": count, "system_info": ref("Stats"),
		}, "healthy", "version", "uptime", "active_sandboxes", "system_info"),
		"Stats": shape(object{
			"manager_type": object{"const": "local"}, "total_sandboxes": count, "status_counts": object{"type": "object", "additionalProperties": count},
			"sandbox_types": object{"type": "object", "additionalProperties": count}, "running": object{"type": "boolean"}, "cleanup_interval": count,
			"pool_size": count, "pool_enabled": object{"type": "boolean"}, "pool_initialized": object{"type": "boolean"}, "cupel": anything,
		}, "manager_type", "total_sandboxes", "status_counts", "sandbox_types", "running", "cleanup_interval", "pool_size", "pool_enabled", "pool_initialized", "cupel"),
		"PoolInitialized": shape(object{"message": text(""), "pool_size": count, "sandbox_ids": object{"type": "array", "items": text("")}},
			"message", "pool_size", "sandbox_ids"),
		"Message": shape(object{"message": text("")}, "message"),
		"Refusal": shape(object{"detail": text("What is wrong, and what to do")}, "detail"),
		"Invalid": shape(object{"detail": object{"type": "array", "items": ref("ValidationError")}}, "detail"),
		"ValidationError": shape(object{
			"type": text(""), "loc": object{"type": "array", "items": object{"type": []string{"string", "integer"}}}, "msg": text(""), "input": object{}, "ctx": anything,
		}, "type", "loc", "msg", "input"),
	}
}

const configAbout = "The fields of DockerSandboxConfig, DockerNotebookConfig or VolcengineSandboxConfig with their defaults. " +
	"The default values of network, network_enabled, memory_limit and cpu_limit mean what the operator set; privileged is always refused, " +
	"ports have no meaning, volumes and the host network are refused unless the operator allows them. " +
	"Whatever remove_on_exit says, a sandbox that is stopped keeps nothing but its record."

// document is the OpenAPI document of all routes, at the root and below
// /pools/NAME.
func (s *Server) document() object {
	paths := object{}
	for _, rt := range s.routes {
		op := operations[rt.method+" "+rt.pattern]
		for _, world := range []bool{false, true} {
			pattern := rt.pattern
			if world {
				pattern = worldPrefix + "{name}" + pattern
			}
			item, _ := paths[pattern].(object)
			if item == nil {
				item = object{}
				paths[pattern] = item
			}
			item[strings.ToLower(rt.method)] = op.describe(rt, world)
		}
	}
	return object{
		"openapi": "3.1.0",
		"info": object{"title": "Sandbox API", "version": s.cfg.Version,
			"description": "The HTTP API of ms-enclave, served by Cupel. Every route exists once more below /pools/NAME, where sandboxes and pools are a world of their own."},
		"paths": paths,
		"components": object{"schemas": schemas(s.cfg.Policy.MaxPoolSize), "securitySchemes": object{
			"key": object{"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "Needed when the server has keys"},
		}},
		"security": []object{{}, {"key": []string{}}},
	}
}

func (op operation) describe(rt route, world bool) object {
	id := strings.ToLower(rt.method) + strings.NewReplacer("/", "_", "{", "", "}", "", ".", "_").Replace(rt.pattern)
	parameters := slices.Clone(op.parameters)
	name := object{"type": "string", "pattern": worldName.String()}
	if strings.Contains(rt.pattern, "{sandbox_id}") {
		parameters = append(parameters, object{"name": "sandbox_id", "in": "path", "required": true, "schema": object{"type": "string", "minLength": 1}})
	}
	if world {
		id = "in_pool_" + id
		parameters = append(parameters, object{"name": "name", "in": "path", "required": true, "schema": name, "description": "The name of a world of your own"})
	} else {
		parameters = append(parameters,
			object{"name": worldHeader, "in": "header", "required": false, "schema": name, "description": "The same as the path /pools/NAME"},
			object{"name": worldQuery, "in": "query", "required": false, "schema": name, "description": "The same as the path /pools/NAME"})
	}
	out := object{"operationId": id, "summary": op.summary, "parameters": parameters, "responses": op.responses()}
	if op.about != "" {
		out["description"] = op.about
	}
	if op.body != nil {
		out["requestBody"] = op.body
	}
	return out
}

func (op operation) responses() object {
	media, schema := "application/json", op.answer
	if op.html {
		media, schema = "text/html", text("")
	}
	all := object{"200": object{"description": "Done", "content": object{media: object{"schema": schema}}}}
	for _, status := range slices.Concat(commonRefusals, op.refusals) {
		form := ref("Refusal")
		if status == 422 {
			form = ref("Invalid")
		}
		all[strconv.Itoa(status)] = object{
			"description": refusalTexts[status], "content": object{"application/json": object{"schema": form}},
		}
	}
	return all
}

// openapi is GET /openapi.json.
func (s *Server) openapi(c *call) { c.answer(s.document()) }

// sortedKeys are an object's keys in the order of reading.
func sortedKeys(o object) []string { return slices.Sorted(maps.Keys(o)) }

// indented is a schema for people.
func indented(v any) string {
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return ""
	}
	return string(out)
}
