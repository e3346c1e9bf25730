package enclave

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrNotText says that a body is no text, or nested too deep, so that nothing
// can be said about its parts.
var ErrNotText error = plainError("There was an error parsing the body")

// plainError is an error in the protocol's own words.
type plainError string

func (e plainError) Error() string { return string(e) }

// Value is one JSON value that CheckJSON accepted, without surrounding blanks.
// Its parts are found when they are asked for.
type Value []byte

// Kind is the Python type of v: "NoneType", "bool", "int", "float", "str",
// "list" or "dict".
func (v Value) Kind() string {
	if len(v) == 0 {
		return "NoneType"
	}
	switch v[0] {
	case 'n':
		return "NoneType"
	case 't', 'f':
		return "bool"
	case '"':
		return "str"
	case '[':
		return "list"
	case '{':
		return "dict"
	}
	for _, c := range v {
		if c == '.' || c == 'e' || c == 'E' || c == 'N' || c == 'I' {
			return "float"
		}
	}
	return "int"
}

// Text is the text of a str, "" for other kinds. Half a surrogate pair, which
// Python lets pass, becomes U+FFFD.
func (v Value) Text() string {
	if v.Kind() != "str" {
		return ""
	}
	var s string
	if json.Unmarshal(v, &s) != nil {
		return ""
	}
	return s
}

// Member is a key of a dict with its value.
type Member struct {
	Key   string
	Value Value
}

// Members are the members of a dict in their order, a repeated key with its
// last value; nil for other kinds.
func (v Value) Members() []Member {
	if v.Kind() != "dict" {
		return nil
	}
	var all []Member
	place := map[string]int{}
	s := scanner{text: v}
	for i := s.space(1); s.at(i) == '"'; {
		end := s.string(i)
		key := v[i:end].Text()
		from := s.space(s.space(end) + 1)
		to := s.value(from)
		if s.why != "" {
			return nil
		}
		if at, again := place[key]; again {
			all[at].Value = v[from:to]
		} else {
			place[key] = len(all)
			all = append(all, Member{key, v[from:to]})
		}
		i = s.space(s.space(to) + 1)
	}
	return all
}

// Items are the items of a list; nil for other kinds.
func (v Value) Items() []Value {
	if v.Kind() != "list" {
		return nil
	}
	var all []Value
	s := scanner{text: v}
	for i := s.space(1); s.at(i) != ']'; {
		to := s.value(i)
		if s.why != "" {
			return nil
		}
		all = append(all, v[i:to])
		i = s.space(to)
		if s.at(i) == ',' {
			i = s.space(i + 1)
		}
	}
	return all
}

// MarshalJSON writes v, with null for the numbers that JSON doesn't have.
func (v Value) MarshalJSON() ([]byte, error) {
	if json.Valid(v) {
		return v, nil
	}
	return []byte("null"), nil
}

// mostShown is how much of a value is sent back to who sent it.
const mostShown = 16 << 10

// shown is v as the input of a ValidationError: a large one is cut to a text.
func (v Value) shown() any {
	if len(v) <= mostShown {
		return v
	}
	return v.clipped()
}

// repr is v as Python writes it, and how far: long values stop early.
func (v Value) repr(out *strings.Builder, most int) {
	if out.Len() > most {
		return
	}
	switch v.Kind() {
	case "NoneType":
		out.WriteString("None")
	case "bool":
		out.WriteString(map[byte]string{'t': "True", 'f': "False"}[v[0]])
	case "int":
		out.Write(v)
	case "float":
		out.WriteString(reprFloat(v.float()))
	case "str":
		out.WriteString(reprText(v.Text()))
	case "list":
		sep := "["
		for _, item := range v.Items() {
			out.WriteString(sep)
			item.repr(out, most)
			sep = ", "
		}
		out.WriteString(strings.TrimSuffix(sep, ", ") + "]")
	case "dict":
		sep := "{"
		for _, m := range v.Members() {
			out.WriteString(sep + reprText(m.Key) + ": ")
			m.Value.repr(out, most)
			sep = ", "
		}
		out.WriteString(strings.TrimSuffix(sep, ", ") + "}")
	}
}

// clipped is the repr of v with its middle left out when it is long, as
// Pydantic shows inputs.
func (v Value) clipped() string {
	var b strings.Builder
	v.repr(&b, math.MaxInt)
	s := b.String()
	if len(s) <= 50 {
		return s
	}
	head, tail := 25, len(s)-24
	for !utf8.RuneStart(s[head]) {
		head--
	}
	for !utf8.RuneStart(s[tail]) {
		tail++
	}
	return s[:head] + "..." + s[tail:]
}

func (v Value) float() float64 {
	switch string(v) {
	case "NaN":
		return math.NaN()
	case "Infinity":
		return math.Inf(1)
	case "-Infinity":
		return math.Inf(-1)
	}
	f, _ := strconv.ParseFloat(string(v), 64) // out of range is ±Inf, as in Python
	return f
}

// reprFloat writes f as Python does.
func reprFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 0):
		return strings.TrimPrefix(strings.ToLower(strconv.FormatFloat(f, 'g', -1, 64)), "+")
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
	if n, _ := strconv.Atoi(exponent); f != 0 && (n < -4 || n >= 16) {
		return mantissa + "e" + exponent
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// reprText writes s as Python does: single quotes unless only those are in it.
func reprText(s string) string {
	quote := '\''
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	var b strings.Builder
	b.WriteRune(quote)
	for _, r := range s {
		switch {
		case r == quote || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x100:
			b.WriteString(`\x` + hex(r, 2))
		case r < 0x10000:
			b.WriteString(`\u` + hex(r, 4))
		default:
			b.WriteString(`\U` + hex(r, 8))
		}
	}
	b.WriteRune(quote)
	return b.String()
}

func hex(r rune, width int) string {
	s := strconv.FormatInt(int64(r), 16)
	return strings.Repeat("0", max(0, width-len(s))) + s
}
