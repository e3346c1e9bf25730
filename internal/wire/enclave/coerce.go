package enclave

import (
	"encoding/json"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// problems are what is wrong with a request's values.
type problems []ValidationError

func (p *problems) add(kind, msg string, v Value, loc ...any) {
	*p = append(*p, ValidationError{Type: kind, Loc: slices.Clone(loc), Msg: msg, Input: v.shown(), value: v})
}

// The coerce functions read a value as Pydantic's lax mode does: they return
// the type and the message of the error, or "".

func coerceText(v Value, to *string) (kind, msg string) {
	if v.Kind() != "str" {
		return "string_type", "Input should be a valid string"
	}
	*to = v.Text()
	return "", ""
}

var (
	intText   = regexp.MustCompile(`^[+-]?[0-9]+(_[0-9]+)*(\.0*)?$`)
	floatText = regexp.MustCompile(`^[+-]?([0-9]+(_[0-9]+)*\.?([0-9]+(_[0-9]+)*)?|\.[0-9]+(_[0-9]+)*)([eE][+-]?[0-9]+(_[0-9]+)*)?$`)
	infText   = regexp.MustCompile(`^(?i)[+-]?(inf|infinity|nan)$`)
)

// mostDigits is how long an integer's text may be, as in Python.
const mostDigits = 4300

func coerceInt(v Value, to *json.Number) (kind, msg string) {
	switch v.Kind() {
	case "bool":
		*to = map[byte]json.Number{'t': "1", 'f': "0"}[v[0]]
		return "", ""
	case "int":
		return parseInt(string(v), to)
	case "float":
		f := v.float()
		switch {
		case math.IsInf(f, 0) || math.IsNaN(f):
			return "finite_number", "Input should be a finite number"
		case f != math.Trunc(f):
			return "int_from_float", "Input should be a valid integer, got a number with a fractional part"
		case math.Abs(f) >= 1<<63:
			return "int_parsing_size", "Unable to parse input string as an integer, exceeded maximum size"
		}
		*to = json.Number(strconv.FormatInt(int64(f), 10))
		return "", ""
	case "str":
		return parseInt(v.Text(), to)
	}
	return "int_type", "Input should be a valid integer"
}

// parseInt reads an integer's text, which a query gives too.
func parseInt(s string, to *json.Number) (kind, msg string) {
	s = strings.TrimSpace(s)
	if len(s) > mostDigits {
		return "int_parsing_size", "Unable to parse input string as an integer, exceeded maximum size"
	}
	if !intText.MatchString(s) {
		return "int_parsing", "Input should be a valid integer, unable to parse string as an integer"
	}
	s, _, _ = strings.Cut(s, ".")
	n, _ := new(big.Int).SetString(strings.ReplaceAll(strings.TrimPrefix(s, "+"), "_", ""), 10)
	*to = json.Number(n.String())
	return "", ""
}

// coerceFloat refuses NaN and the infinities, which Pydantic lets pass:
// no answer could show them.
func coerceFloat(v Value, to *Float) (kind, msg string) {
	var f float64
	switch v.Kind() {
	case "bool":
		f = map[byte]float64{'t': 1}[v[0]]
	case "int":
		if f = v.float(); math.IsInf(f, 0) {
			return "float_type", "Input should be a valid number"
		}
	case "float":
		f = v.float()
	case "str":
		var ok bool
		if f, ok = parseFloat(v.Text()); !ok {
			return "float_parsing", "Input should be a valid number, unable to parse string as a number"
		}
	default:
		return "float_type", "Input should be a valid number"
	}
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return "finite_number", "Input should be a finite number"
	}
	*to = Float(f)
	return "", ""
}

func parseFloat(s string) (float64, bool) {
	s = strings.TrimSpace(s)
	if infText.MatchString(s) {
		f, err := strconv.ParseFloat(s, 64)
		return f, err == nil
	}
	if !floatText.MatchString(s) {
		return 0, false
	}
	f, _ := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64) // out of range is ±Inf
	return f, true
}

func coerceBool(v Value, to *bool) (kind, msg string) {
	const kindParsing, msgParsing = "bool_parsing", "Input should be a valid boolean, unable to interpret input"
	switch v.Kind() {
	case "bool":
		*to = v[0] == 't'
	case "int":
		if string(v) != "0" && string(v) != "1" {
			return kindParsing, msgParsing
		}
		*to = v[0] == '1'
	case "float":
		if f := v.float(); f != 0 && f != 1 {
			return "bool_type", "Input should be a valid boolean"
		}
		*to = v.float() == 1
	case "str":
		switch strings.ToLower(v.Text()) {
		case "1", "true", "t", "yes", "y", "on":
			*to = true
		case "0", "false", "f", "no", "n", "off":
			*to = false
		default:
			return kindParsing, msgParsing
		}
	default:
		return "bool_type", "Input should be a valid boolean"
	}
	return "", ""
}

const (
	dictType, dictMsg = "dict_type", "Input should be a valid dictionary"
	listType, listMsg = "list_type", "Input should be a valid list"
)

// Float is a number that is written as Python writes a float: with a fraction.
type Float float64

// MarshalJSON writes f; only finite numbers can be.
func (f Float) MarshalJSON() ([]byte, error) {
	if math.IsInf(float64(f), 0) || math.IsNaN(float64(f)) {
		return nil, &json.UnsupportedValueError{Str: reprFloat(float64(f))}
	}
	return []byte(reprFloat(float64(f))), nil
}

// String writes f as Python does.
func (f Float) String() string { return reprFloat(float64(f)) }
