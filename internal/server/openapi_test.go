package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cupel.dev/cupel/api"
)

// document is openapi.json as far as these tests read it.
type document struct {
	Paths      map[string]map[string]operation
	Components struct {
		Responses map[string]response
		Schemas   map[string]schema
	}
}

type operation struct {
	OperationID string
	Parameters  []struct{ Name, In string }
	RequestBody struct {
		Content map[string]struct{ Schema schema }
	}
	Responses map[string]response
}

type response struct {
	Ref     string `json:"$ref"`
	Content map[string]struct{ Schema schema }
}

type schema map[string]any

func readDocument(t *testing.T) *document {
	t.Helper()
	var doc document
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	return &doc
}

// Each route has an operation with its query parameters, and the other way
// round.
func TestDocumentHasEveryRoute(t *testing.T) {
	doc := readDocument(t)
	served := map[string]bool{}
	for _, rt := range routes {
		served[rt.method+" "+rt.path] = true
		op, ok := doc.Paths[rt.path][strings.ToLower(rt.method)]
		if !ok {
			t.Errorf("%s %s is not described", rt.method, rt.path)
			continue
		}
		var query, path []string
		for _, p := range op.Parameters {
			if p.In == "query" {
				query = append(query, p.Name)
			} else {
				path = append(path, p.Name)
			}
		}
		if !slices.Equal(query, rt.query) {
			t.Errorf("%s %s has the query parameters %v, described are %v", rt.method, rt.path, rt.query, query)
		}
		if strings.Contains(rt.path, "{id}") != slices.Contains(path, "id") {
			t.Errorf("%s %s: path parameters are %v", rt.method, rt.path, path)
		}
	}
	for path, methods := range doc.Paths {
		for method := range methods {
			if !served[strings.ToUpper(method)+" "+path] {
				t.Errorf("%s %s is described and not served", method, path)
			}
		}
	}
}

// Each kind's status is described, and every response that is named is there.
func TestDocumentHasEveryStatus(t *testing.T) {
	doc := readDocument(t)
	described := map[string]bool{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			for status, resp := range op.Responses {
				described[status] = true
				if name, is := strings.CutPrefix(resp.Ref, "#/components/responses/"); is && doc.Components.Responses[name].Content == nil {
					t.Errorf("%s %s: response %s is not there", method, path, resp.Ref)
				}
			}
		}
	}
	for kind, status := range statuses {
		if status != statusClientGone && !described[strconv.Itoa(status)] {
			t.Errorf("no operation describes %d, the status of %s", status, kind)
		}
	}
}

// Each schema has the fields of its Go type: names, types and which are always
// there.
func TestDocumentHasEveryField(t *testing.T) {
	doc := readDocument(t)
	seen := map[string]bool{}
	for _, v := range []any{
		api.RunRequest{}, api.ExecRequest{}, api.Spec{}, api.PoolRequest{}, api.Result{}, api.Error{}, api.Chunk{},
		api.Sandbox{}, api.SandboxList{}, api.Pool{}, api.PoolList{}, api.Health{}, api.LanguageList{}, api.File{},
	} {
		compareType(t, doc, reflect.TypeOf(v), seen)
	}
	for name := range doc.Components.Schemas {
		if !seen[name] {
			t.Errorf("schema %s describes no type of package api", name)
		}
	}
}

func compareType(t *testing.T, doc *document, typ reflect.Type, seen map[string]bool) {
	if seen[typ.Name()] {
		return
	}
	seen[typ.Name()] = true
	s, ok := doc.Components.Schemas[typ.Name()]
	if !ok {
		t.Errorf("type %s has no schema", typ.Name())
		return
	}
	if typ.Kind() != reflect.Struct {
		return
	}
	props, _ := s["properties"].(map[string]any)
	var required, always []string
	for _, r := range asList(s["required"]) {
		required = append(required, r.(string))
	}
	keys := map[string]bool{}
	for _, f := range reflect.VisibleFields(typ) {
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		keys[name] = true
		if opts == "" {
			always = append(always, name)
		}
		prop, ok := props[name].(map[string]any)
		if !ok {
			t.Errorf("%s.%s is not described", typ.Name(), name)
			continue
		}
		compareField(t, doc, typ.Name()+"."+name, f.Type, prop, seen)
	}
	for name := range props {
		if !keys[name] {
			t.Errorf("%s.%s is described and not there", typ.Name(), name)
		}
	}
	slices.Sort(required)
	slices.Sort(always)
	if !slices.Equal(required, always) {
		t.Errorf("%s always has %v; required is %v", typ.Name(), always, required)
	}
	if s["additionalProperties"] != false {
		t.Errorf("%s is not closed", typ.Name())
	}
}

func compareField(t *testing.T, doc *document, name string, typ reflect.Type, prop schema, seen map[string]bool) {
	want := ""
	switch {
	case typ == reflect.TypeFor[time.Time](), typ == reflect.TypeFor[[]byte](), typ.Kind() == reflect.String:
		want = "string"
	case typ.Kind() == reflect.Bool:
		want = "boolean"
	case typ == reflect.TypeFor[int](), typ == reflect.TypeFor[int64]():
		want = "integer"
	case typ == reflect.TypeFor[float64]():
		want = "number"
	case typ.Kind() == reflect.Pointer && typ.Elem().Kind() == reflect.Int:
		if got := asList(prop["type"]); len(got) != 2 || got[0] != "integer" || got[1] != "null" {
			t.Errorf("%s is described as %v", name, got)
		}
		return
	case typ.Kind() == reflect.Pointer:
		typ = typ.Elem()
		if forms := asList(prop["anyOf"]); len(forms) > 0 {
			prop = forms[0].(map[string]any)
		}
	case typ.Kind() == reflect.Slice && typ != reflect.TypeFor[api.File]():
		if prop["type"] != "array" {
			t.Errorf("%s is no array", name)
			return
		}
		compareField(t, doc, name+"[]", typ.Elem(), prop["items"].(map[string]any), seen)
		return
	case typ.Kind() == reflect.Map:
		compareField(t, doc, name+"{}", typ.Elem(), prop["additionalProperties"].(map[string]any), seen)
		return
	}
	if ref, is := prop["$ref"].(string); is {
		if ref != "#/components/schemas/"+typ.Name() {
			t.Errorf("%s is a %s; described as %s", name, typ.Name(), ref)
		}
		compareType(t, doc, typ, seen)
		return
	}
	if want == "" || prop["type"] != want {
		t.Errorf("%s is a %s; described as %v", name, typ, prop["type"])
	}
}

func asList(v any) []any {
	l, _ := v.([]any)
	return l
}

// documented checks every answer of every test: its status and media type are
// described, and what it holds is as described; and so is every request that
// was honoured.
func documented(t *testing.T, h http.Handler) http.Handler {
	doc := readDocument(t)
	mux := http.NewServeMux()
	for _, rt := range routes {
		mux.Handle(rt.method+" "+rt.path, http.NotFoundHandler())
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var sent bytes.Buffer
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(r.Body, &sent), r.Body}
		rec := &recorder{ResponseWriter: w}
		h.ServeHTTP(rec, r)
		if rec.status == 0 || r.Context().Err() != nil || r.Method == http.MethodHead {
			return
		}
		_, pattern := mux.Handler(r)
		method, path, _ := strings.Cut(pattern, " ")
		op, ok := doc.Paths[path][strings.ToLower(method)]
		if !ok {
			if rec.status != http.StatusNotFound && rec.status != http.StatusMethodNotAllowed {
				t.Errorf("%s %s answered %d, and is not described", r.Method, r.URL.Path, rec.status)
			}
			return
		}
		resp, ok := op.Responses[strconv.Itoa(rec.status)]
		if !ok {
			t.Errorf("%s answers %d, which is not described: %.300s", pattern, rec.status, rec.body.String())
			return
		}
		if name, is := strings.CutPrefix(resp.Ref, "#/components/responses/"); is {
			resp = doc.Components.Responses[name]
		}
		checkAnswer(t, doc, pattern, resp, rec)
		if body, ok := op.RequestBody.Content["application/json"]; ok && rec.status < 300 {
			var v any
			if err := json.Unmarshal(sent.Bytes(), &v); err == nil {
				if why := doc.misfit(body.Schema, v); why != "" {
					t.Errorf("%s honours a request that is not as described: %s\n%.300s", pattern, why, sent.String())
				}
			}
		}
	})
}

func checkAnswer(t *testing.T, doc *document, pattern string, resp response, rec *recorder) {
	media := rec.Header().Get("Content-Type")
	if len(resp.Content) == 0 && media == "" {
		return
	}
	content, ok := resp.Content[media]
	if !ok {
		t.Errorf("%s answers %d with %q, described are %v", pattern, rec.status, media, slices.Collect(maps.Keys(resp.Content)))
		return
	}
	check := func(s schema, text []byte) {
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			t.Errorf("%s: %v in %.300s", pattern, err, text)
		} else if why := doc.misfit(s, v); why != "" {
			t.Errorf("%s answers what is not as described: %s\n%.600s", pattern, why, text)
		}
	}
	switch media {
	case "application/json":
		check(content.Schema, rec.body.Bytes())
	case "text/event-stream":
		for event := range strings.SplitSeq(rec.body.String(), "\n\n") {
			name, data, ok := strings.Cut(strings.TrimPrefix(event, "event: "), "\ndata: ")
			if !ok {
				continue
			}
			check(schema{"$ref": "#/components/schemas/" + map[string]string{
				api.EventStdout: "Chunk", api.EventStderr: "Chunk", api.EventResult: "Result", api.EventError: "Error",
			}[name]}, []byte(data))
		}
	}
}

// misfit returns why v is not as the schema says, or "".
func (doc *document) misfit(s schema, v any) string {
	if ref, is := s["$ref"].(string); is {
		named, ok := doc.Components.Schemas[strings.TrimPrefix(ref, "#/components/schemas/")]
		if !ok {
			return "no schema " + ref
		}
		return doc.misfit(named, v)
	}
	if forms := asList(s["anyOf"]); forms != nil {
		why := ""
		for _, one := range forms {
			if why = doc.misfit(one.(map[string]any), v); why == "" {
				return ""
			}
		}
		return why
	}
	if enum := asList(s["enum"]); enum != nil && !slices.Contains(enum, v) {
		return strconv.Quote(v.(string)) + " is not in the enumeration"
	}
	kinds := asList(s["type"])
	if one, is := s["type"].(string); is {
		kinds = []any{one}
	}
	if kinds != nil && !slices.ContainsFunc(kinds, func(k any) bool { return isKind(v, k.(string)) }) {
		text, _ := json.Marshal(v)
		return fmt.Sprintf("%s is none of %v", text, kinds)
	}
	switch v := v.(type) {
	case []any:
		items, _ := s["items"].(map[string]any)
		for _, item := range v {
			if why := doc.misfit(items, item); why != "" {
				return why
			}
		}
	case map[string]any:
		return doc.misfitObject(s, v)
	}
	return ""
}

func (doc *document) misfitObject(s schema, v map[string]any) string {
	props, _ := s["properties"].(map[string]any)
	for key, value := range v {
		prop, ok := props[key].(map[string]any)
		if !ok {
			if prop, ok = s["additionalProperties"].(map[string]any); !ok && s["additionalProperties"] == false {
				return "no key " + key
			}
		}
		if why := doc.misfit(prop, value); why != "" {
			return key + ": " + why
		}
	}
	for _, key := range asList(s["required"]) {
		if _, ok := v[key.(string)]; !ok {
			return "without " + key.(string)
		}
	}
	return ""
}

func isKind(v any, kind string) bool {
	switch v := v.(type) {
	case nil:
		return kind == "null"
	case bool:
		return kind == "boolean"
	case string:
		return kind == "string"
	case float64:
		return kind == "number" || kind == "integer" && v == float64(int64(v))
	case []any:
		return kind == "array"
	}
	return kind == "object"
}

// recorder keeps what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	if r.body.Len() < 1<<20 {
		r.body.Write(p)
	}
	return r.ResponseWriter.Write(p)
}
