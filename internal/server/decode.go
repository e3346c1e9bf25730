package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"cupel.dev/cupel"
	"cupel.dev/cupel/api"
	"cupel.dev/cupel/internal/nearest"
)

// maxJSON bounds a JSON body, whatever the door lets in: the server holds it
// in memory, several times.
const maxJSON = 64 << 20

// decodeJSON reads the request's body, an object, into doc, a pointer to a
// struct. Errors name the field, the value and the fix.
func decodeJSON(w http.ResponseWriter, r *http.Request, doc any) error {
	if err := wantMedia(r, "application/json"); err != nil {
		return err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxJSON))
	if err != nil {
		return &cupel.Error{Kind: cupel.Invalid, Op: "read the body", Err: err}
	}
	return parseJSON(body, doc)
}

// wantMedia refuses a body of another media type, 415.
func wantMedia(r *http.Request, types ...string) error {
	header := r.Header.Get("Content-Type")
	media, _, err := mime.ParseMediaType(header)
	if err == nil && slices.Contains(types, media) {
		return nil
	}
	return withStatus{http.StatusUnsupportedMediaType,
		cupel.Invalidf("Content-Type", header, "send "+strings.Join(types, " or "))}
}

// parseJSON reads one object, strictly: keys are known, spelt exactly and
// given once, nothing is null, and text arrives as it was sent.
func parseJSON(body []byte, doc any) error {
	if !utf8.Valid(body) {
		return cupel.Errorf(cupel.Invalid, "", "the body is not UTF-8").
			WithHint("give bytes in the field that ends in _base64")
	}
	var whole json.RawMessage
	if err := json.Unmarshal(body, &whole); err != nil {
		at := ""
		if e, ok := errors.AsType[*json.SyntaxError](err); ok {
			at = fmt.Sprintf(" at byte %d", e.Offset)
		}
		return cupel.Errorf(cupel.Invalid, "", "the body is not a JSON object: %v%s", err, at)
	}
	if i := loneSurrogate(whole); i >= 0 {
		return cupel.Errorf(cupel.Invalid, "", "the body has half of a surrogate pair at byte %d, which is no character", i).
			WithHint("replace it, or give bytes in the field that ends in _base64")
	}
	return decodeValue(bytes.TrimSpace(whole), reflect.ValueOf(doc).Elem(), "")
}

// decodeValue reads raw, which is valid JSON, into v.
func decodeValue(raw []byte, v reflect.Value, path string) error {
	if string(raw) == "null" {
		return badValue(path, "null", "leave it out for the default")
	}
	t := v.Type()
	_, own := reflect.TypeAssert[json.Unmarshaler](v.Addr())
	switch {
	case own || t == reflect.TypeFor[[]byte]():
	case t.Kind() == reflect.Struct:
		return eachMember(raw, path, func(key string, value []byte) error {
			field, ok := fieldOf(t, key)
			if !ok {
				return cupel.Invalidf("key", join(path, key), nearest.Fix(key, keysOf(t)))
			}
			return decodeValue(value, v.FieldByIndex(field), join(path, key))
		})
	case t.Kind() == reflect.Map:
		v.Set(reflect.MakeMap(t))
		return eachMember(raw, path, func(key string, value []byte) error {
			elem := reflect.New(t.Elem()).Elem()
			err := decodeValue(value, elem, join(path, key))
			v.SetMapIndex(reflect.ValueOf(key), elem)
			return err
		})
	case t.Kind() == reflect.Slice:
		return decodeSlice(raw, v, path)
	}
	if err := json.Unmarshal(raw, v.Addr().Interface()); err != nil {
		return leafError(path, raw, t, err)
	}
	return nil
}

func decodeSlice(raw []byte, v reflect.Value, path string) error {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return badValue(path, string(raw), "write an array")
	}
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	for i, item := range items {
		if err := decodeValue(item, v.Index(i), path+"["+strconv.Itoa(i)+"]"); err != nil {
			return err
		}
	}
	return nil
}

// eachMember calls fn for each member of an object, in order.
func eachMember(raw []byte, path string, fn func(key string, value []byte) error) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return badValue(path, string(raw), "write an object")
	}
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		key, _ := t.(string)
		if seen[key] {
			return cupel.Invalidf("key", join(path, key), "give it once")
		}
		seen[key] = true
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		if err := fn(key, value); err != nil {
			return err
		}
	}
	return nil
}

// leafError words what encoding/json says of a value.
func leafError(path string, raw []byte, t reflect.Type, err error) error {
	if e, ok := errors.AsType[*api.ValueError](err); ok {
		return badValue(path, e.Value, e.Fix)
	}
	fix := "write " + map[reflect.Kind]string{
		reflect.String: "a string", reflect.Bool: "true or false", reflect.Int: "a whole number",
	}[t.Kind()]
	if t == reflect.TypeFor[[]byte]() {
		fix = "write a string in base64"
	}
	return badValue(path, string(raw), fix)
}

func badValue(path, value, fix string) error {
	if path == "" {
		path = "the body"
	}
	return cupel.Invalidf(path, value, fix)
}

func join(path, key string) string {
	if path == "" {
		return shown(key)
	}
	return path + "." + shown(key)
}

// keysOf lists the JSON keys of a struct type.
func keysOf(t reflect.Type) (keys []string) {
	for f := range fields(t) {
		keys = append(keys, f)
	}
	return keys
}

func fieldOf(t reflect.Type, key string) ([]int, bool) {
	for name, f := range fields(t) {
		if name == key {
			return f.Index, true
		}
	}
	return nil, false
}

// fields yields the fields of a struct type by their JSON keys.
func fields(t reflect.Type) func(yield func(string, reflect.StructField) bool) {
	return func(yield func(string, reflect.StructField) bool) {
		for _, f := range reflect.VisibleFields(t) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name != "" && name != "-" && !yield(name, f) {
				return
			}
		}
	}
}

// loneSurrogate returns where JSON text escapes half of a surrogate pair, or
// -1. encoding/json would put U+FFFD there, and the program would not be the
// one that was sent.
func loneSurrogate(text []byte) int {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		unit, ok := escapedUnit(text[i:])
		switch {
		case !ok:
			i++ // what is escaped is no backslash that begins an escape
		case unit < 0xD800 || unit > 0xDFFF:
			i += 5
		default:
			low, ok := escapedUnit(text[min(i+6, len(text)):])
			if unit > 0xDBFF || !ok || low < 0xDC00 || low > 0xDFFF {
				return i
			}
			i += 11
		}
	}
	return -1
}

// escapedUnit reads "\uXXXX" at the start of text.
func escapedUnit(text []byte) (unit uint64, ok bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	return unit, err == nil
}
