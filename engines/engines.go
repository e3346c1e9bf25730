// Package engines opens an engine by its name. It is the only place that knows
// all engines: adding one is a line in its table.
package engines

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/engine/native"
	"cupel.dev/cupel/internal/engine/remote"
	"cupel.dev/cupel/internal/nearest"
)

// Default is the engine that an empty name means.
const Default = "native"

// opener opens one engine. Its config is a JSON object, never empty.
type opener func(ctx context.Context, config json.RawMessage) (cupel.Engine, error)

// openers are the engines that this build has.
var openers = map[string]opener{
	"native": func(ctx context.Context, config json.RawMessage) (cupel.Engine, error) {
		var cfg native.Config
		if err := decode(config, &cfg); err != nil {
			return nil, err
		}
		e, err := native.Open(ctx, cfg)
		if err != nil {
			return nil, err
		}
		return e, nil
	},
	"remote": func(ctx context.Context, config json.RawMessage) (cupel.Engine, error) {
		var cfg remote.Config
		if err := decode(config, &cfg); err != nil {
			return nil, err
		}
		e, err := remote.Open(ctx, cfg)
		if err != nil {
			return nil, err
		}
		return e, nil
	},
}

// aliases are all the names that people write for an engine, in lower case.
// Some engines are known by name and not built yet.
var aliases = map[string]string{
	"":           Default,
	"native":     "native",
	"docker":     "docker",
	"remote":     "remote",
	"volcengine": "volcengine",
	"volcano":    "volcengine",
	"volc":       "volcengine",
}

// List returns the names of the engines that Open can open, sorted.
func List() []string {
	names := make([]string, 0, len(openers))
	for name := range openers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Resolve returns the engine's own name for any way of writing it: case and
// surrounding blanks don't matter, and an empty name is Default. A name that
// nobody knows is kind Invalid; an engine that this build doesn't have is kind
// Unsupported. Both errors name what there is.
func Resolve(alias string) (string, error) {
	name, known := aliases[strings.ToLower(strings.TrimSpace(alias))]
	if !known {
		return "", cupel.Errorf(cupel.Invalid, "", "Unknown sandbox engine: %s. Supported: %s",
			strconv.Quote(shown(alias)), strings.Join(List(), ", ")).
			WithHint("%s", nearest.Fix(strings.TrimSpace(alias), List()))
	}
	if openers[name] == nil {
		return "", cupel.Errorf(cupel.Unsupported, "", "the %s engine is not built into this cupel. Supported: %s",
			name, strings.Join(List(), ", ")).
			WithHint("leave the engine out, or use --engine %s", Default)
	}
	return name, nil
}

// Open opens the engine that name means, with a configuration of its own: a
// JSON object, or nothing for the defaults. An unknown key in it is kind
// Invalid. The caller closes the engine; service.Service does it for those
// that it opens.
func Open(ctx context.Context, name string, config json.RawMessage) (cupel.Engine, error) {
	name, err := Resolve(name)
	if err != nil {
		return nil, err
	}
	if trimmed := bytes.TrimSpace(config); len(trimmed) == 0 || string(trimmed) == "null" {
		config = json.RawMessage("{}")
	}
	return openers[name](ctx, config)
}

// decode reads config into cfg and refuses what cfg doesn't have.
func decode(config json.RawMessage, cfg any) error {
	dec := json.NewDecoder(bytes.NewReader(config))
	dec.DisallowUnknownFields()
	err := dec.Decode(cfg)
	if err == nil {
		if _, more := dec.Token(); more != io.EOF {
			err = errors.New("more than one value")
		}
	}
	if err != nil {
		// The config itself isn't shown: it may hold a key.
		return cupel.Errorf(cupel.Invalid, "", "engine config is not valid: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// shown keeps an absurd name out of messages.
func shown(name string) string {
	const most = 64
	if len(name) > most {
		return name[:most] + "…"
	}
	return name
}
