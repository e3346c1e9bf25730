package server

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"cupel.dev/cupel"
	"cupel.dev/cupel/api"
	"cupel.dev/cupel/internal/door"
	"cupel.dev/cupel/internal/engine/fake"
)

// What is wrong is refused by name, and nothing is made for it.
func TestBadRequests(t *testing.T) {
	p := start(t, options{fake: &fake.Config{}})
	for _, tc := range []struct {
		path, body string
		words      []string
	}{
		{"/v1/run", ``, []string{"Content-Type"}},
		{"/v1/run", `[]`, []string{"the body", "write an object"}},
		{"/v1/run", `null`, []string{"the body"}},
		{"/v1/run", `{"args": ["x"]`, []string{"not a JSON object", "byte"}},
		{"/v1/run", `{"args": ["x"]} {}`, []string{"not a JSON object"}},
		{"/v1/run", "{\"args\": [\"\xff\"]}", []string{"UTF-8", "_base64"}},
		{"/v1/run", `{"language": "python", "source": "\ud800"}`, []string{"surrogate", "byte"}},
		{"/v1/run", `{}`, []string{"language", "known: python", "args"}},
		{"/v1/run", `{"args": []}`, []string{"language"}},
		{"/v1/run", `{"sorce": "x"}`, []string{`key "sorce"`, "did you mean source?"}},
		{"/v1/run", `{"Args": ["x"]}`, []string{`key "Args"`, "did you mean args?"}},
		{"/v1/run", `{"args": ["x"], "args": ["y"]}`, []string{`key "args"`, "once"}},
		{"/v1/run", `{"limits": {"tme": 1}}`, []string{`key "limits.tme"`, "did you mean time?"}},
		{"/v1/run", `{"args": ["x", 1]}`, []string{"args[1]", "write a string"}},
		{"/v1/run", `{"args": "ls"}`, []string{"args", "write an array"}},
		{"/v1/run", `{"args": ["x"], "env": {"A": null}}`, []string{"env.A", "null"}},
		{"/v1/run", `{"args": ["x"], "env": {"A=B": "c"}}`, []string{"env", "A=B"}},
		{"/v1/run", `{"args": ["x"], "stdin": null}`, []string{"stdin", "leave it out"}},
		{"/v1/run", `{"args": ["x"], "stdin": "a", "stdin_base64": "YQ=="}`, []string{"stdin_base64", "not both"}},
		{"/v1/run", `{"args": ["x"], "stdin_base64": "?"}`, []string{"stdin_base64", "base64"}},
		{"/v1/run", `{"args": ["x"], "fresh": "yes"}`, []string{"fresh", "true or false"}},
		{"/v1/run", `{"args": ["x"], "files": {"f": 1}}`, []string{"files.f", "base64"}},
		{"/v1/run", `{"args": ["x"], "files": {"f": {"base64": "x", "b": ""}}}`, []string{"files.f"}},
		{"/v1/run", `{"args": ["x\u0000"]}`, []string{"NUL"}},
		{"/v1/run", `{"source": "x"}`, []string{"language", "python"}},
		{"/v1/run", `{"language": "pyhton", "source": "x"}`, []string{"language", "did you mean python?"}},
		{"/v1/run", `{"args": ["x"], "compile_time": 1}`, []string{"compile_time", "command"}},
		{"/v1/run", `{"language": "c", "compile_time": "300h"}`, []string{"compile_time", "168h"}},
		{"/v1/run", `{"args": ["x"], "limits": {"time": 0}}`, []string{"limits.time", "above zero"}},
		{"/v1/run", `{"args": ["x"], "limits": {"time": "-1s"}}`, []string{"limits.time", "above zero"}},
		{"/v1/run", `{"args": ["x"], "limits": {"time": "soon"}}`, []string{"limits.time", "soon", "10s"}},
		{"/v1/run", `{"args": ["x"], "limits": {"time": "1000h"}}`, []string{"time", "168h"}},
		{"/v1/run", `{"args": ["x"], "limits": {"memory": "lots"}}`, []string{"limits.memory", "512MiB"}},
		{"/v1/run", `{"args": ["x"], "limits": {"memory": 1}}`, []string{"memory", "1MiB"}},
		{"/v1/run", `{"args": ["x"], "limits": {"processes": 1.5}}`, []string{"limits.processes", "whole"}},
		{"/v1/run", `{"args": ["x"], "limits": {"cpus": "NaN"}}`, []string{"limits.cpus"}},
		{"/v1/run", `{"args": ["x"], "limits": {"cpus": {}}}`, []string{"limits.cpus"}},
		{"/v1/run", `{"args": ["x"], "limits": {"output": "1GiB"}}`, []string{"limits.output", "at most 64MiB"}},
		{"/v1/run", `{"args": ["x"], "limits": 5}`, []string{"limits", "object"}},
		{"/v1/run", `{"args": ["x"], "network": "bridge"}`, []string{"network", "bridge", "none or host"}},
		{"/v1/run", `{"args": ["x"], "isolation": "weak"}`, []string{"isolation", "strict"}},
		{"/v1/run", `{"args": ["x"], "image": "dir:/"}`, []string{"image", "dir:/", "host", "--image"}},
		{"/v1/run", `{"args": ["x"], "dir": "work"}`, []string{"dir", "absolute"}},
		{"/v1/run", `{"args": ["x"], "dir": "/a/../b"}`, []string{"dir", "clean"}},
		{"/v1/run?strem=1", `{"args": ["x"]}`, []string{"query parameter", "did you mean stream?"}},
		{"/v1/run?stream=1&stream=0", `{"args": ["x"]}`, []string{"query parameter", "once"}},
		{"/v1/run?stream=maybe", `{"args": ["x"]}`, []string{"stream", "maybe"}},
		{"/v1/sandboxes", `{"user": "root"}`, []string{"user", "root", "UID"}},
		{"/v1/sandboxes", `{"mounts": [{"src": "/"}]}`, []string{"mounts[0].src", "source"}},
		{"/v1/sandboxes", `{"args": ["x"]}`, []string{`key "args"`}},
		{"/v1/sandboxes?x=1", `{}`, []string{"query parameter", "none"}},
		{"/v1/pools", `{"size": 100000}`, []string{"size", "at most 256"}},
		{"/v1/pools", `{"size": "many"}`, []string{"size", "whole"}},
	} {
		resp, body := p.call("POST", tc.path, tc.body, "Content-Type", "application/json; charset=utf-8")
		if tc.body == "" {
			continue
		}
		wantError(t, resp, body, http.StatusBadRequest, cupel.Invalid, tc.words...)
		if resp.Header.Get("Retry-After") != "" {
			t.Errorf("%s: a wrong request may be sent again", tc.body)
		}
	}
	if n := p.fake.Counts(); n.Exec != 0 || n.Put != 0 {
		t.Errorf("wrong requests ran something: %+v", n)
	}
}

func TestRouting(t *testing.T) {
	p := start(t, options{fake: &fake.Config{}, door: door.Config{MaxBody: 1000}})
	resp, body := p.call("GET", "/v1/runs", "")
	wantError(t, resp, body, http.StatusNotFound, cupel.NotFound, "/v1/runs", "/v1/openapi.json")
	resp, body = p.call("PUT", "/v1/sandboxes", "{}")
	wantError(t, resp, body, http.StatusMethodNotAllowed, cupel.Invalid, "PUT", "POST or GET")
	if got := resp.Header.Get("Allow"); got != "POST, GET" {
		t.Errorf("Allow = %q", got)
	}
	for _, media := range []string{"text/plain", "application/xml", "nonsense;;"} {
		resp, body = p.call("POST", "/v1/run", "{}", "Content-Type", media)
		wantError(t, resp, body, http.StatusUnsupportedMediaType, cupel.Invalid, "application/json")
	}
	resp, body = p.call("POST", "/v1/run", "{}"+strings.Repeat(" ", 2000))
	wantError(t, resp, body, http.StatusRequestEntityTooLarge, cupel.Invalid, "1000")
	if resp, body = p.call("HEAD", "/v1/health", ""); resp.StatusCode != http.StatusOK || body != "" {
		t.Errorf("HEAD: %d %q", resp.StatusCode, body)
	}
	for _, tc := range [][2]string{
		{"GET", "/v1/sandboxes/none"}, {"DELETE", "/v1/sandboxes/none"}, {"POST", "/v1/sandboxes/none/reset"},
		{"GET", "/v1/sandboxes/none/files?path=/x"}, {"GET", "/v1/pools/none"},
	} {
		resp, body := p.call(tc[0], tc[1], "")
		wantError(t, resp, body, http.StatusNotFound, cupel.NotFound, "none")
	}
	resp, body = p.call("POST", "/v1/sandboxes/none/exec", `{"args": ["x"]}`)
	wantError(t, resp, body, http.StatusNotFound, cupel.NotFound, "none")
	resp, body = p.call("POST", "/v1/pools/none/run", `{"args": ["x"]}`)
	wantError(t, resp, body, http.StatusNotFound, cupel.NotFound, "none")
	resp, body = p.call("GET", "/v1/languages", "")
	if resp.StatusCode != http.StatusOK || !strings.Contains(body, `"name":"python"`) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	resp, body = p.call("GET", "/v1/health", "")
	if resp.StatusCode != http.StatusOK || !strings.Contains(body, `"version":"test"`) || !strings.Contains(body, `"engine":"fake"`) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if resp, body = p.call("GET", "/v1/openapi.json", ""); resp.StatusCode != http.StatusOK || body != string(openAPI) {
		t.Errorf("openapi.json: %d, %d bytes", resp.StatusCode, len(body))
	}
}

// A body that is longer than announced limits without saying so is refused too.
func TestLongBodyWithoutLength(t *testing.T) {
	p := start(t, options{fake: &fake.Config{}, door: door.Config{MaxBody: 1000}})
	send := func(method, path, media string) (*http.Response, string) {
		r, _ := http.NewRequest(method, p.url+path, io.MultiReader(strings.NewReader(strings.Repeat(" ", 3000))))
		r.Header.Set("Content-Type", media)
		r.Close = true
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp, string(body)
	}
	resp, body := send("POST", "/v1/run", "application/json")
	wantError(t, resp, body, http.StatusRequestEntityTooLarge, cupel.Invalid, "1000")
	sb, err := p.client("").CreateSandbox(t.Context(), cupel.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	resp, body = send("PUT", "/v1/sandboxes/"+sb.ID()+"/files", "application/x-tar")
	wantError(t, resp, body, http.StatusRequestEntityTooLarge, cupel.Invalid, "1000")
	resp, body = p.call("PUT", "/v1/sandboxes/"+sb.ID()+"/files", "x", "Content-Type", "application/zip")
	wantError(t, resp, body, http.StatusUnsupportedMediaType, cupel.Invalid, "application/x-tar")
	resp, body = p.call("GET", "/v1/sandboxes/"+sb.ID()+"/files", "")
	wantError(t, resp, body, http.StatusBadRequest, cupel.Invalid, "path")
}

// What a program in a sandbox or a pool may ask for is theirs.
func TestBadPrograms(t *testing.T) {
	p := start(t, options{fake: &fake.Config{}})
	sb, err := p.client("").CreateSandbox(t.Context(), cupel.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	pool, err := p.client("").CreatePool(t.Context(), cupel.Spec{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		path, body string
		words      []string
	}{
		{"/v1/sandboxes/" + sb.ID() + "/exec", `{}`, []string{"args"}},
		{"/v1/sandboxes/" + sb.ID() + "/exec", `{"args": [""]}`, []string{"args"}},
		{"/v1/sandboxes/" + sb.ID() + "/exec", `{"args": ["x"], "user": "me"}`, []string{"user"}},
		{"/v1/sandboxes/" + sb.ID() + "/exec", `{"args": ["x"], "dir": "here"}`, []string{"dir"}},
		{"/v1/sandboxes/" + sb.ID() + "/exec", `{"args": ["x"], "limits": {"memory": "1GiB"}}`, []string{"limits.memory", "1GiB", "sandbox", "512MiB"}},
		{"/v1/sandboxes/" + sb.ID() + "/exec", `{"args": ["x"], "limits": {"disk": "1MiB"}}`, []string{"limits.disk", "whole sandbox"}},
		{"/v1/sandboxes/" + sb.ID() + "/exec", `{"args": ["x"], "limits": {"inodes": 100}}`, []string{"limits.inodes"}},
		{"/v1/pools/" + pool.ID + "/run", `{"args": ["x"], "image": "host"}`, []string{"image", "pool"}},
		{"/v1/pools/" + pool.ID + "/run", `{"args": ["x"], "fresh": true}`, []string{"fresh", "pool"}},
		{"/v1/pools/" + pool.ID + "/run", `{"args": ["x"], "limits": {"time": "1m"}}`, []string{"limits.time", "1m0s", "pool", "10s"}},
		{"/v1/pools/" + pool.ID + "/run", `{"language": "c", "compile_time": "1m"}`, []string{"compile_time", "pool", "10s"}},
	} {
		resp, body := p.call("POST", tc.path, tc.body)
		wantError(t, resp, body, http.StatusBadRequest, cupel.Invalid, tc.words...)
	}
	if n := p.fake.Counts(); n.Exec != 0 {
		t.Errorf("wrong requests ran something: %+v", n)
	}
}

// Nothing is opened by a request that the operator did not open.
func TestPolicy(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/etc", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	open := Policy{
		Network: cupel.NetworkHost, Mounts: []string{dir + ":rw"}, Privileges: true, Isolation: cupel.IsolationAny,
	}
	mount := func(source, target string, writable bool) string {
		raw, _ := json.Marshal(api.Spec{Mounts: []api.Mount{{Source: source, Target: target, Writable: writable}}})
		return string(raw)
	}
	for _, tc := range []struct {
		body    string
		setting string
		// opened says that the policy above lets it in.
		opened bool
	}{
		{`{"network": "host"}`, "host_network", true},
		{`{"privileges": "container"}`, "privileges", true},
		{`{"isolation": "any"}`, "isolation", true},
		{mount(dir, "/m", true), "volumes", true},
		{mount(filepath.Join(dir, "link"), "/m", false), "volumes", false},
		{mount("/etc", "/m", false), "volumes", false},
		{mount(dir+"x", "/m", false), "volumes", false},
		{mount(filepath.Dir(dir), "/m", false), "volumes", false},
	} {
		for _, policy := range []Policy{{}, open, {Mounts: []string{dir}}} {
			p := start(t, options{fake: &fake.Config{}, Config: Config{Policy: policy}})
			resp, body := p.call("POST", "/v1/sandboxes", tc.body)
			if tc.opened && policy.Privileges {
				if resp.StatusCode != http.StatusCreated {
					t.Errorf("%s: %d %s", tc.body, resp.StatusCode, body)
				}
				continue
			}
			wantError(t, resp, body, http.StatusForbidden, cupel.Unsupported, "not allowed", tc.setting)
		}
	}
	p := start(t, options{fake: &fake.Config{}, Config: Config{Policy: Policy{Mounts: []string{dir}}}})
	if resp, body := p.call("POST", "/v1/sandboxes", mount(dir, "/m", false)); resp.StatusCode != http.StatusCreated {
		t.Errorf("a mount that is allowed: %d %s", resp.StatusCode, body)
	}
	resp, body := p.call("POST", "/v1/sandboxes", mount(dir+"/none", "/m", false))
	wantError(t, resp, body, http.StatusBadRequest, cupel.Invalid, "isn't there")
}

// Limits above the policy's are refused; the defaults are not above it.
func TestPolicyLimits(t *testing.T) {
	p := start(t, options{fake: &fake.Config{}, Config: Config{Policy: Policy{
		MaxLimits: cupel.Limits{Time: 5e9, Memory: 64 * cupel.MiB, CPUs: 2}, MaxSandboxes: 2,
	}}})
	for _, tc := range []struct {
		limits string
		words  []string
	}{
		{`{"time": "6s"}`, []string{"limits.time", "6s", "at most 5s"}},
		{`{"memory": "65m"}`, []string{"limits.memory", "65MiB", "at most 64MiB"}},
		{`{"cpus": 3}`, []string{"limits.cpus", "3", "at most 2"}},
	} {
		for _, path := range []string{"/v1/run", "/v1/sandboxes", "/v1/pools"} {
			body := map[string]string{
				"/v1/run": `{"args": ["x"], "limits": ` + tc.limits + `}`, "/v1/sandboxes": `{"limits": ` + tc.limits + `}`,
				"/v1/pools": `{"spec": {"limits": ` + tc.limits + `}}`,
			}[path]
			resp, body := p.call("POST", path, body)
			wantError(t, resp, body, http.StatusBadRequest, cupel.Invalid, append(tc.words, "this server")...)
		}
	}
	resp, body := p.call("POST", "/v1/run", `{"language": "c", "compile_time": "6s"}`)
	wantError(t, resp, body, http.StatusBadRequest, cupel.Invalid, "compile_time", "5s")
	resp, body = p.call("POST", "/v1/sandboxes", `{}`)
	var sb api.Sandbox
	if err := json.Unmarshal([]byte(body), &sb); err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	l := sb.Spec.Limits.Cupel()
	if l.Time != 5e9 || l.Memory != 64*cupel.MiB || l.CPUs != 2 || l.Processes != cupel.DefaultLimits().Processes {
		t.Errorf("limits = %+v", l)
	}
	p.call("POST", "/v1/sandboxes", `{}`)
	resp, body = p.call("POST", "/v1/sandboxes", `{}`)
	wantError(t, resp, body, http.StatusTooManyRequests, cupel.Exhausted, "2 sandboxes")
	if resp.Header.Get("Retry-After") == "" {
		t.Error("a full server does not say that it may pass")
	}
}

func TestImages(t *testing.T) {
	var made []string
	p := start(t, options{fake: &fake.Config{OnCreate: onImage(&made)}, Config: Config{
		Images: func(name string) (string, error) {
			if name == "python:3" {
				return "tar:/images/python.tar", nil
			}
			return "", cupel.Errorf(cupel.NotFound, "", "image %q: no --image fits", name)
		},
	}})
	for _, body := range []string{`{"image": "python:3"}`, `{"image": "host"}`, `{}`} {
		if resp, body := p.call("POST", "/v1/sandboxes", body); resp.StatusCode != http.StatusCreated || strings.Contains(body, "tar:") {
			t.Errorf("%d %s", resp.StatusCode, body)
		}
	}
	if got := strings.Join(made, " "); got != "tar:/images/python.tar host host" {
		t.Errorf("made from %s", got)
	}
	resp, body := p.call("POST", "/v1/sandboxes", `{"image": "other"}`)
	wantError(t, resp, body, http.StatusNotFound, cupel.NotFound, "other", "--image")
}

// Whatever is sent, the decoder refuses it with an error of kind Invalid, or
// what it read means the same when it is written and read again.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"args": ["a", "\ud83d\ude00"], "limits": {"time": "1s", "memory": "1GiB", "cpus": 0.5, "processes": "7"}}`,
		`{"language": "python", "source": "x", "files": {"a": "b", "c": {"base64": "/w=="}}, "stdin_base64": "AA=="}`,
		`{"env": {"A": "B"}, "compile_time": 1.5, "fresh": true}`, `{"a":{"b":[`, `{"limits": {"output": 1e300}}`, `{"source": "\ud800\\ud800"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var req api.RunRequest
		if err := parseJSON(body, &req); err != nil {
			if cupel.KindOf(err) != cupel.Invalid || !utf8.ValidString(err.Error()) && utf8.Valid(body) {
				t.Errorf("%q: %v", body, err)
			}
			return
		}
		raw, err := json.Marshal(req)
		if err != nil {
			t.Fatal(err)
		}
		var again api.RunRequest
		if err := parseJSON(raw, &again); err != nil {
			t.Fatalf("%q became %q: %v", body, raw, err)
		}
		if twice, _ := json.Marshal(again); string(twice) != string(raw) {
			t.Errorf("%q became %q became %q", body, raw, twice)
		}
	})
}
