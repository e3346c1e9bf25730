package enclave

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cupel.dev/cupel/internal/engine/fake"
)

// turn is one request of testdata/dialogues.json and what the original
// answered to it.
type turn struct {
	Method, Path  string
	Headers       map[string]string
	Body          *string
	BodyHex       string          `json:"body_hex"`
	JSON          json.RawMessage `json:"json"`
	Status        int
	AnswerHeaders map[string]string `json:"answer_headers"`
	Answer        any
}

func dialogues(t *testing.T) map[string][]turn {
	t.Helper()
	text, err := os.ReadFile("testdata/dialogues.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Dialogues map[string][]turn }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return file.Dialogues
}

// TestDialogues sends what the original was sent and expects what it answered,
// but for the differences that are meant.
func TestDialogues(t *testing.T) {
	used := map[int]bool{}
	for name, turns := range dialogues(t) {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Config{}, fake.Config{})
			id, refused := "", false
			for i, turn := range turns {
				if refused && (strings.Contains(turn.Path, "{id}") || turn.Path == "/stats") {
					continue // nothing is there to ask about
				}
				got := w.send(turn.request(t, id))
				if seen, _ := got.field("sandbox_id").(string); id == "" {
					id = seen
				}
				where := fmt.Sprintf("%d: %s %s %s%s", i, turn.Method, turn.Path, turn.JSON, show(turn.Body))
				if k := differs(turn); k >= 0 {
					used[k] = true
					refused = refused || i == 0 && strings.Contains(turn.Path, "/sandbox/create")
					if d := differences[k]; got.status != d.status || !strings.Contains(got.detail(), d.detail) {
						t.Errorf("%s: %d %s, want %d with %q, since %s", where, got.status, got.text, d.status, d.detail, d.why)
					}
					if got.status == turn.Status {
						t.Errorf("%s is listed as a difference and is none", where)
					}
					continue
				}
				want := answer{status: turn.Status, json: turn.Answer, header: http.Header{}}
				for k, v := range turn.AnswerHeaders {
					want.header.Set(k, v)
				}
				// Theirs names one method; HTTP wants all that there are.
				if allow := want.header.Get("Allow"); allow != "" && strings.HasPrefix(got.header.Get("Allow"), allow+", ") {
					want.header.Set("Allow", got.header.Get("Allow"))
				}
				if diff := cmp.Diff(normal(want, "{id}"), normal(got, id)); diff != "" {
					t.Errorf("%s\n%s", where, diff)
				}
			}
		})
	}
	for k, d := range differences {
		if !used[k] {
			t.Errorf("nothing differs as %q %q says", d.path, d.json)
		}
	}
}

func show(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (tn turn) request(t *testing.T, id string) *http.Request {
	t.Helper()
	var body io.Reader
	content := tn.JSON != nil
	switch {
	case tn.JSON != nil:
		body = strings.NewReader(strings.ReplaceAll(string(tn.JSON), "{id}", id))
	case tn.Body != nil:
		body, content = strings.NewReader(strings.ReplaceAll(*tn.Body, "{id}", id)), true
	case tn.BodyHex != "":
		raw, err := hex.DecodeString(tn.BodyHex)
		if err != nil {
			t.Fatal(err)
		}
		body, content = bytes.NewReader(raw), true
	}
	path := strings.NewReplacer("{id}", id, "١", "%D9%A1").Replace(tn.Path)
	r := httptest.NewRequest(tn.Method, "http://testserver"+path, body)
	if content {
		r.Header.Set("Content-Type", "application/json")
	}
	for k, v := range tn.Headers {
		r.Header.Del(k)
		if v != "" {
			r.Header.Set(k, v)
		}
	}
	return r.WithContext(t.Context())
}

var (
	anID   = regexp.MustCompile(`^[2-9a-km-z]{8}$`)
	aTime  = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?$`)
	aLink  = regexp.MustCompile(`\n    For further information visit \S+`)
	textID = "ID"
)

// normal is an answer without what differs each time and without what is ours
// alone.
func normal(a answer, id string) map[string]any {
	out := map[string]any{"status": a.status, "answer": normalValue(a.json, id)}
	for _, name := range []string{"Allow", "Location", "Content-Type"} {
		if v := a.header.Get(name); v != "" {
			out[name] = v
		}
	}
	return out
}

func normalValue(v any, id string) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			switch {
			case key == "cupel":
			case key == "uptime":
				out[key] = 0
			default:
				out[key] = normalValue(value, id)
			}
		}
		return out
	case []any:
		out := []any{}
		for _, value := range v {
			out = append(out, normalValue(value, id))
		}
		return out
	case string:
		switch {
		case v == "":
			return nil // an answer without a body is read as null here, as "" there
		case anID.MatchString(v) && v != "function":
			return textID
		case aTime.MatchString(v):
			return "TIME"
		}
		if id != "" {
			v = strings.ReplaceAll(v, id, textID)
		}
		return aLink.ReplaceAllString(v, "")
	}
	return v
}

// difference is an answer that is not theirs, on purpose: ours is a refusal
// that says detail. A request is meant that has the path and, in its JSON, the
// text.
type difference struct {
	path, json string
	status     int
	detail     string
	why        string
}

const (
	create, initialize = "/sandbox/create?sandbox_type=docker", "/pool/initialize"
	execute, pooled    = "/sandbox/tool/execute", "/pool/execute"

	ourDocker   = "Docker would refuse it when it makes the container, which the recording leaves out"
	noPort      = "nothing could be reached there, and ignoring it would only fail later"
	neverGiven  = "a request may not ask for power over the machine"
	caller      = "the caller's mistake is a 4xx; theirs is a 500 with the words of Python's exception"
	emptyPool   = "a pool that can't be built is an error, not an empty success"
	notFinite   = "no answer could show it: theirs fails from then on with 500 whenever the config is shown"
	onlyASCII   = "Docker can't read it"
	noForwarder = "this server runs the code itself and forwards to no other"
)

var differences = []difference{
	{create, `"working_dir": "x"`, 400, "working_dir", ourDocker},
	{create, `{"env_vars": {"": "x"}}`, 400, "env_vars", ourDocker},
	{create, `"A=B"`, 400, "env_vars", ourDocker},
	{create, `{"volumes": {"/a": {"bind": "/b", "mode": "ro"}}}`, 400, "--volumes", neverGiven},
	{create, `{"volumes": {"/a": {}}}`, 400, "bind", ourDocker},
	{create, `{"ports": {"80/tcp": 80}}`, 400, "ports", noPort},
	{create, `{"ports": {"80/tcp": "80"}}`, 400, "ports", noPort},
	{create, `{"ports": {"80/tcp": ["127.0.0.1", 80]}}`, 400, "ports", noPort},
	{create, `{"ports": {"80/tcp": ["a", "80"]}}`, 400, "ports", noPort},
	{create, `{"ports": {"80/tcp": true}}`, 400, "ports", noPort},
	{create + "_notebook", `{"ports": {"80/tcp": 1}}`, 400, "ports", noPort},
	{create, `{"network": "host"}`, 400, "--host-network", neverGiven},
	{create, `{"privileged": true}`, 400, "never granted", neverGiven},
	{create, `{"memory_limit": "1"}`, 400, "6m or more", ourDocker},
	{create, `{"memory_limit": "10k"}`, 400, "6m or more", ourDocker},
	{create, `{"memory_limit": "1g\n"}`, 400, "Invalid memory limit format", onlyASCII},
	{create, `{"memory_limit": "\u0661g"}`, 400, "Invalid memory limit format", onlyASCII},
	{create, `{"cpu_limit": "inf"}`, 400, "finite", notFinite},
	{create, `{"cpu_limit": "nan"}`, 400, "finite", notFinite},
	{create, `{"cpu_limit": "1e-3"}`, 400, "0.01 or more", ourDocker},
	{create, `"zzz": 1, "platform": "linux/amd64"}`, 400, "--volumes", neverGiven},
	{"/sandbox/create?sandbox_type=volcengine", `{"base_url": "http://127.0.0.1:1/"`, 400, "base_url", noForwarder},
	{execute, `"python_executor", "parameters": {}}`, 400, "code is missing", caller},
	{execute, `"x": 2}`, 400, "unknown parameter", caller},
	{execute, `"sandbox_context": 1`, 400, "unknown parameter", caller},
	{execute, `{"code": 5}`, 400, "code 5", caller},
	{"/sandbox/create?sandbox_type=volcengine", `{}`, 200, "", noForwarder},
	{create, "\xff\xfe{}", 400, "parsing the body", "UTF-16 and UTF-32 are not read"},
	{initialize, `{"cpu_limit": "x"}`, 400, "1 validation error for DockerSandboxConfig", emptyPool},
	{initialize + "?pool_size=1&sandbox_type=dummy", `{}`, 400, "SandboxType.DUMMY is not registered", emptyPool},
	{pooled + "?tool_name=python_executor", `{"x": 1}`, 400, "code is missing", caller},
	{pooled + "?tool_name=python_executor", `{}`, 400, "code is missing", caller},
	{pooled + "?tool_name=python_executor", `{"code":NaN}`, 400, "NaN", caller},
}

func differs(tn turn) int {
	raw, _ := hex.DecodeString(tn.BodyHex)
	body := string(tn.JSON) + show(tn.Body) + string(raw)
	for k, d := range differences {
		if path, _, _ := strings.Cut(tn.Path, "&timeout"); path != d.path && !(d.path == initialize && strings.HasPrefix(tn.Path, initialize)) {
			continue
		}
		if strings.HasPrefix(d.json, "{") && strings.HasSuffix(d.json, "}") && d.path != execute {
			if body == d.json {
				return k
			}
		} else if strings.Contains(body, d.json) {
			return k
		}
	}
	return -1
}
