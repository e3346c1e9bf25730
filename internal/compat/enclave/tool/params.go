package tool

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/nearest"
)

// params reads a call's parameters. The first thing that is wrong with them
// stays in err; what is read afterwards is of no use.
type params struct {
	tool string
	in   map[string]json.RawMessage
	err  error
	// lone is the first lone surrogate in a text that has to be written as
	// bytes, which JSON can say and no encoding can.
	lone *loneSurrogate
}

// read refuses names that the tool doesn't have and misses those it needs.
func read(tool string, in map[string]json.RawMessage, required, optional []string) *params {
	p := &params{tool: tool, in: in}
	known := len(required)
	for _, name := range required {
		if _, ok := in[name]; !ok {
			p.err = cupel.Errorf(cupel.Invalid, "", "%s: parameter %s is missing: give it", tool, name)
			return p
		}
	}
	for _, name := range optional {
		if _, ok := in[name]; ok {
			known++
		}
	}
	if known == len(in) {
		return p
	}
	all := slices.Concat(required, optional)
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if !slices.Contains(all, name) {
			p.err = cupel.Errorf(cupel.Invalid, "", "%s: unknown parameter %q: %s", tool, shown(name), nearest.Fix(name, all))
			return p
		}
	}
	return p
}

// refuse notes that a parameter can't be used.
func (p *params) refuse(name string, raw []byte, fix string) {
	if p.err == nil {
		p.err = cupel.Errorf(cupel.Invalid, "", "%s: parameter %s %s is not valid: %s", p.tool, name, shown(string(raw)), fix)
	}
}

// shown keeps an absurd value out of messages.
func shown(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

func isNull(raw []byte) bool { return string(bytes.TrimSpace(raw)) == "null" }

// text reads a required string.
func (p *params) text(name string) string {
	s, _ := p.string(name, p.in[name])
	return s
}

// optional reads a string that may be absent or null; ok says that it is there.
func (p *params) optional(name string) (s string, ok bool) {
	raw, there := p.in[name]
	if !there || isNull(raw) {
		return "", false
	}
	return p.string(name, raw)
}

func (p *params) string(name string, raw []byte) (string, bool) {
	raw = bytes.TrimSpace(raw)
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		p.refuse(name, raw, "give a string")
		return "", false
	}
	if !utf8.Valid(raw) {
		p.refuse(name, nil, "give a string in UTF-8")
		return "", false
	}
	if p.lone == nil {
		p.lone = findLone(raw)
	}
	return s, true
}

// bare reads a string that is no content but a name or a word: one that holds
// a NUL can't be passed to a program.
func (p *params) bare(name string) string {
	s := p.text(name)
	if strings.ContainsRune(s, 0) {
		p.refuse(name, p.in[name], "leave the NUL out")
	}
	return s
}

// named is one entry of an object of strings.
type named struct{ name, content string }

// files reads an object of strings, in the order in which it was written.
func (p *params) files(name string) []named {
	raw, there := p.in[name]
	if !there || isNull(raw) {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		p.refuse(name, raw, "give an object of file names and contents")
		return nil
	}
	var list []named
	for dec.More() {
		key, err := dec.Token()
		var value json.RawMessage
		if err == nil {
			err = dec.Decode(&value)
		}
		if err != nil {
			p.refuse(name, raw, "give an object of file names and contents")
			return nil
		}
		field := fmt.Sprintf("%s[%q]", name, shown(key.(string)))
		content, _ := p.string(field, value)
		list = append(list, named{key.(string), content})
	}
	return list
}

// words reads a string or a list of strings; exactly one of the results is of
// use, the list when isList.
func (p *params) words(name string) (line string, list []string, isList bool) {
	raw := bytes.TrimSpace(p.in[name])
	if len(raw) == 0 || raw[0] != '[' {
		if len(raw) > 0 && raw[0] != '"' {
			p.refuse(name, raw, "give a string or a list of strings")
			return "", nil, false
		}
		return p.bare(name), nil, false
	}
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		p.refuse(name, raw, "give a string or a list of strings")
		return "", nil, true
	}
	for i, item := range items {
		field := fmt.Sprintf("%s[%d]", name, i)
		s, _ := p.string(field, item)
		if strings.ContainsRune(s, 0) {
			p.refuse(field, item, "leave the NUL out")
		}
		list = append(list, s)
	}
	return "", list, true
}

// timeout is a time limit and how the caller wrote it.
type timeout struct {
	limit time.Duration
	// given is the number as the protocol's messages print it.
	given string
}

// minTimeout is the shortest time that an engine can measure.
const minTimeout = time.Millisecond

// timeout reads a number of seconds. Absent it is otherwise seconds, or most
// if that is less; null, 0 and less are no timeout of the caller's own: most.
func (p *params) timeout(name string, otherwise time.Duration, most time.Duration) timeout {
	raw, there := p.in[name]
	if !there {
		if most > 0 && (otherwise <= 0 || otherwise > most) {
			otherwise = most
		}
		return seconds(otherwise)
	}
	if isNull(raw) {
		return seconds(most)
	}
	n, given, ok := number(raw)
	switch {
	case !ok:
		p.refuse(name, raw, "give a number of seconds, or null")
	case n <= 0:
		return seconds(most)
	case most > 0 && n > most.Seconds():
		p.refuse(name, raw, fmt.Sprintf("at most %s seconds are allowed here", seconds(most).given))
	case n > maxSeconds:
		p.refuse(name, raw, fmt.Sprintf("give at most %d seconds", int(maxSeconds)))
	default:
		return timeout{limit: max(time.Duration(n*float64(time.Second)), minTimeout), given: given}
	}
	return timeout{}
}

// maxSeconds is what any engine takes, a week.
const maxSeconds = 7 * 24 * 3600

// seconds is a timeout of our own.
func seconds(d time.Duration) timeout {
	if d <= 0 {
		return timeout{}
	}
	if d%time.Second == 0 {
		return timeout{d, fmt.Sprint(int64(d / time.Second))}
	}
	return timeout{d, floatText(d.Seconds())}
}

// blank reports whether there is nothing but what the protocol's server takes
// for blanks.
func blank(s string) bool {
	for _, r := range s {
		if !unicode.IsSpace(r) && (r < 0x1c || r > 0x1f) {
			return false
		}
	}
	return true
}
