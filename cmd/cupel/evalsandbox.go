package main

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"

	"cupel.dev/cupel"
	"cupel.dev/cupel/service"
)

// sandboxChoice is where answers run.
type sandboxChoice struct {
	engine service.EngineRef
	image  string
	// server is the base URL of an ms-enclave server, or "".
	server string
}

// sandboxDoc is EvalScope's sandbox config. What cupel can't honour of it yet
// is refused, never ignored.
type sandboxDoc struct {
	Enabled       *bool           `json:"enabled"`
	Engine        string          `json:"engine"`
	ManagerConfig json.RawMessage `json:"manager_config"`
	DefaultConfig struct {
		Image string `json:"image"`
	} `json:"default_config"`
}

// sandbox reads --engine and EvalScope's ways of saying the same, of which the
// newer ones win.
func (o evalOptions) sandbox() (sandboxChoice, error) {
	var doc sandboxDoc
	if strings.TrimSpace(o.sandboxDoc) != "" {
		dec := json.NewDecoder(strings.NewReader(o.sandboxDoc))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&doc); err != nil {
			return sandboxChoice{}, cupel.Invalidf("--sandbox", o.sandboxDoc,
				"cupel reads enabled, engine, manager_config and default_config.image of it so far ("+strings.TrimPrefix(err.Error(), "json: ")+")")
		}
	}
	if doc.Enabled != nil && !*doc.Enabled || !o.useSandbox {
		return sandboxChoice{}, refused{cupel.Errorf(cupel.Unsupported, "", "answers are never run without a sandbox").
			WithHint(`leave --use-sandbox=false and "enabled": false out`)}
	}
	manager := doc.ManagerConfig
	if isNothing(manager) {
		manager = json.RawMessage(o.managerDoc)
	}
	choice := sandboxChoice{image: o.image}
	if doc.DefaultConfig.Image != "" && o.image == "host" {
		choice.image = doc.DefaultConfig.Image
	}
	name := firstOf(o.engine, doc.Engine, o.sandboxType)
	if server, err := serverIn(manager); err != nil {
		return sandboxChoice{}, err
	} else if server != "" && (name == "" || name == "docker" || name == "remote") {
		// EvalScope's docker engine with a base_url is an ms-enclave server.
		choice.server, name = server, "remote"
	}
	var err error
	if choice.engine.Name, err = resolveEngine(name); err != nil {
		return sandboxChoice{}, refused{err}
	}
	choice.engine.Config = manager
	return choice, nil
}

// serverIn is the base_url in a manager config, "" where there is none.
func serverIn(manager json.RawMessage) (string, error) {
	if isNothing(manager) {
		return "", nil
	}
	var doc struct {
		BaseURL string `json:"base_url"`
	}
	if err := json.Unmarshal(manager, &doc); err != nil {
		return "", cupel.Invalidf("manager_config", string(manager), "write a JSON object with base_url ("+strings.TrimPrefix(err.Error(), "json: ")+")")
	}
	if doc.BaseURL == "" {
		return "", nil
	}
	u, err := url.Parse(doc.BaseURL)
	if err == nil && (u.Scheme == "unix" || u.Scheme == "tcp") {
		return "", refused{cupel.Errorf(cupel.Unsupported, "", "manager_config.base_url %q is a Docker daemon, which this cupel doesn't speak to yet", doc.BaseURL).
			WithHint("leave it out, or use --engine native")}
	}
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", cupel.Invalidf("manager_config.base_url", doc.BaseURL, "write http://HOST:PORT of an ms-enclave server")
	}
	return u.Redacted(), nil
}

func isNothing(doc json.RawMessage) bool {
	text := bytes.TrimSpace(doc)
	return len(text) == 0 || string(text) == "null"
}

func firstOf(names ...string) string {
	for _, n := range names {
		if n != "" {
			return n
		}
	}
	return ""
}
