package enclave

import (
	"encoding/json"
	"net/url"
	"strings"
)

// Request gathers what is wrong with a request, in the order in which FastAPI
// says it: queries first, then the body.
type Request struct {
	query    url.Values
	problems problems
}

// NewRequest reads a request with the raw query.
func NewRequest(query string) *Request {
	values, _ := url.ParseQuery(query) // what can't be read is not there
	return &Request{query: values}
}

// Problems are what is wrong so far, nil when all is well.
func (r *Request) Problems() []ValidationError { return r.problems }

// Query returns the last value of a query parameter.
func (r *Request) Query(name string) (string, bool) {
	all := r.query[name]
	if len(all) == 0 {
		return "", false
	}
	return strings.ToValidUTF8(all[len(all)-1], "\uFFFD"), true
}

// Text returns a query parameter that has to be there.
func (r *Request) Text(name string) string {
	s, ok := r.Query(name)
	if !ok {
		r.missing("query", name)
	}
	return s
}

func (r *Request) missing(loc ...any) {
	r.problems.add("missing", "Field required", Value("null"), loc...)
}

func (r *Request) bad(kind, msg, input, name string) {
	text, _ := json.Marshal(input) // a text always can be
	r.problems.add(kind, msg, text, "query", name)
}

// Int returns a query parameter that is an integer, "" when it isn't there.
func (r *Request) Int(name string) json.Number {
	var n json.Number
	if s, ok := r.Query(name); ok {
		if kind, msg := parseInt(s, &n); kind != "" {
			r.bad(kind, msg, s, name)
		}
	}
	return n
}

// Float returns a query parameter that is a number, maybe NaN or infinite,
// and whether it is there.
func (r *Request) Float(name string) (float64, bool) {
	s, ok := r.Query(name)
	if !ok {
		return 0, false
	}
	f, ok := parseFloat(s)
	if !ok {
		r.bad("float_parsing", "Input should be a valid number, unable to parse string as a number", s, name)
	}
	return f, ok
}

// Choice returns a query parameter that is one of a closed set, "" when it
// isn't there.
func Choice[T ~string](r *Request, name string, required bool, all []T) T {
	s, ok := r.Query(name)
	if !ok {
		if required {
			r.missing("query", name)
		}
		return ""
	}
	var quoted []string
	for _, one := range all {
		if s == string(one) {
			return one
		}
		quoted = append(quoted, "'"+string(one)+"'")
	}
	last := len(quoted) - 1
	expected := strings.Join(quoted[:last], ", ") + " or " + quoted[last]
	r.bad("enum", "Input should be "+expected, s, name)
	r.problems[len(r.problems)-1].Ctx = map[string]any{"expected": expected}
	return ""
}

// Object returns the body that has to be an object. When it is optional,
// nothing and null are nil. A body that isn't declared as JSON is taken for
// the text that it is. The error is ErrNotText.
func (r *Request) Object(body []byte, isJSON, required bool) (Value, error) {
	v, err := r.body(body, isJSON, required)
	switch {
	case err != nil || v == nil:
		return nil, err
	case v.Kind() == "NoneType" && !required:
		return nil, nil
	case v.Kind() != "dict":
		r.problems.add(dictType, dictMsg, v, "body")
		return nil, nil
	}
	return v, nil
}

// body returns nil when there is none or it is no JSON.
func (r *Request) body(body []byte, isJSON, required bool) (Value, error) {
	if len(body) == 0 {
		if required {
			r.missing("body")
		}
		return nil, nil
	}
	if !isJSON {
		text, _ := json.Marshal(strings.ToValidUTF8(string(body), "\uFFFD"))
		return text, nil
	}
	v, bad, err := CheckJSON(body)
	if bad != nil {
		// FastAPI says nothing else then.
		r.problems = problems{*bad}
	}
	return v, err
}

// ToolExecution returns the body of /sandbox/tool/execute. It is of use only
// when Problems are none. The error is ErrNotText.
func (r *Request) ToolExecution(body []byte, isJSON bool) (ToolExecutionRequest, error) {
	var out ToolExecutionRequest
	v, err := r.body(body, isJSON, true)
	if err != nil || v == nil {
		return out, err
	}
	if v.Kind() != "dict" {
		r.problems.add("model_attributes_type", "Input should be a valid dictionary or object to extract fields from", v, "body")
		return out, nil
	}
	given := map[string]Value{}
	for _, m := range v.Members() {
		given[m.Key] = m.Value
	}
	text := func(name string, to *string) {
		if given[name] == nil {
			r.problems.add("missing", "Field required", v, "body", name)
		} else if kind, msg := coerceText(given[name], to); kind != "" {
			r.problems.add(kind, msg, given[name], "body", name)
		}
	}
	text("sandbox_id", &out.SandboxID)
	text("tool_name", &out.ToolName)
	out.Parameters = map[string]json.RawMessage{}
	if p := given["parameters"]; p != nil {
		if p.Kind() != "dict" {
			r.problems.add(dictType, dictMsg, p, "body", "parameters")
		}
		out.Parameters = p.Parameters()
	}
	if t := given["timeout"]; t != nil && t.Kind() != "NoneType" {
		var n json.Number
		if kind, msg := coerceInt(t, &n); kind != "" {
			r.problems.add(kind, msg, t, "body", "timeout")
		} else if i, err := n.Int64(); err == nil {
			seconds := int(i)
			out.Timeout = &seconds
		}
	}
	return out, nil
}

// Parameters are a dict's members as a tool takes them.
func (v Value) Parameters() map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	for _, m := range v.Members() {
		out[m.Key] = json.RawMessage(m.Value)
	}
	return out
}
