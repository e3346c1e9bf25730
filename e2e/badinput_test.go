//go:build linux

package e2e

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// badRequest is one that must be refused: with this status, and a detail that
// has these words.
type badRequest struct {
	name, method, path string
	body               string
	header             map[string]string
	status             int
	words              []string
}

const (
	executePath = "/sandbox/tool/execute"
	createPath  = "/sandbox/create?sandbox_type=docker"
)

// badRequests are in the form of the ms-enclave door; {box} is a sandbox.
var badRequests = []badRequest{
	{name: "malformed JSON", path: executePath, body: `{"sandbox_id": `, status: 422, words: []string{"json_invalid"}},
	{name: "two documents", path: executePath, body: `{} {}`, status: 422, words: []string{"json_invalid", "Extra data"}},
	{name: "no UTF-8", path: executePath, body: "{\"sandbox_id\": \"\xff\"}", status: 400},
	{name: "a number for an object", path: executePath, body: `5`, status: 422},
	{name: "null", path: executePath, body: `null`, status: 422},
	{name: "deep JSON", path: executePath, body: `{"parameters": ` + strings.Repeat(`{"a":`, 200000) + `1` + strings.Repeat(`}`, 200001), status: 400},
	{name: "wrong types", path: executePath, body: `{"sandbox_id": [], "tool_name": 5, "parameters": "x", "timeout": {}}`, status: 422, words: []string{"sandbox_id", "tool_name", "parameters", "timeout"}},
	{name: "unknown tool", path: executePath, body: `{"sandbox_id": "{box}", "tool_name": "format_disk"}`, status: 404, words: []string{"Tool format_disk is not available"}},
	{name: "unknown sandbox", path: executePath, body: `{"sandbox_id": "nosuchid", "tool_name": "python_executor", "parameters": {"code": "1"}}`, status: 404, words: []string{"Sandbox nosuchid not found"}},
	{name: "missing parameter", path: executePath, body: `{"sandbox_id": "{box}", "tool_name": "python_executor"}`, status: 400, words: []string{"code"}},
	{name: "wrong parameter", path: executePath, body: `{"sandbox_id": "{box}", "tool_name": "python_executor", "parameters": {"code": {"a": 1}}}`, status: 400, words: []string{"code"}},
	{name: "unknown parameter", path: executePath, body: `{"sandbox_id": "{box}", "tool_name": "python_executor", "parameters": {"code": "1", "cwd": "/"}}`, status: 400, words: []string{"cwd"}},
	{name: "endless timeout", path: executePath, body: `{"sandbox_id": "{box}", "tool_name": "python_executor", "parameters": {"code": "1", "timeout": 1e400}}`, status: 400, words: []string{"timeout"}},
	{name: "a NUL in a command", path: executePath, body: `{"sandbox_id": "{box}", "tool_name": "shell_executor", "parameters": {"command": ["echo", "a\u0000b"]}}`, status: 400},
	{name: "unknown type", path: "/sandbox/create?sandbox_type=vm", body: `{}`, status: 422, words: []string{"sandbox_type", "docker_notebook"}},
	{name: "no type", path: "/sandbox/create", body: `{}`, status: 422, words: []string{"sandbox_type"}},
	{name: "dummy", path: "/sandbox/create?sandbox_type=dummy", body: `{}`, status: 400},
	{name: "unmapped image", path: createPath, body: `{"image": "nobody:mapped"}`, status: 400, words: []string{"nobody:mapped", "--image"}},
	{name: "privileged", path: createPath, body: `{"privileged": true}`, status: 400, words: []string{"privileged"}},
	{name: "volume", path: createPath, body: `{"volumes": {"/": {"bind": "/host", "mode": "rw"}}}`, status: 400, words: []string{"volumes"}},
	{name: "host network", path: createPath, body: `{"network": "host"}`, status: 400, words: []string{"network"}},
	{name: "unknown network", path: createPath, body: `{"network": "backend"}`, status: 400, words: []string{"network", "backend"}},
	{name: "port", path: createPath, body: `{"ports": {"8888/tcp": 8888}}`, status: 400, words: []string{"ports"}},
	{name: "bad memory", path: createPath, body: `{"memory_limit": "-1g"}`, status: 400, words: []string{"memory_limit"}},
	{name: "relative working directory", path: createPath, body: `{"working_dir": "../../etc"}`, status: 400, words: []string{"working_dir"}},
	{name: "list of hosts", path: createPath, body: `{"extra_hosts": {"a b": "not an address"}}`, status: 400, words: []string{"extra_hosts"}},
	{name: "bad variable", path: createPath, body: `{"env_vars": {"A=B": "x"}}`, status: 400, words: []string{"env_vars"}},
	{name: "pool of a text", path: "/pool/initialize?pool_size=many", body: `{}`, status: 422, words: []string{"pool_size"}},
	{name: "endless pool", path: "/pool/initialize?pool_size=1000000000&sandbox_type=docker", body: `{}`, status: 400, words: []string{"pool_size"}},
	{name: "pool of an unmapped image", path: "/pool/initialize?pool_size=1&sandbox_type=docker", body: `{"image": "nobody:mapped"}`, status: 400, words: []string{"nobody:mapped"}},
	{name: "unknown pool", path: "/pool/execute?tool_name=python_executor", body: `{"code": "1"}`, status: 400, words: []string{"initialize_pool"}},
	{name: "unknown status", method: http.MethodGet, path: "/sandboxes?status=tired", status: 422},
	{name: "unknown route", method: http.MethodGet, path: "/sandbox/a/b/c", status: 404},
	{name: "a dot path", method: http.MethodGet, path: "/sandbox/..%2f..%2fetc%2fpasswd", status: 404},
	{name: "wrong method", method: http.MethodPatch, path: "/health", status: 405},
	{name: "a long id", method: http.MethodGet, path: "/sandbox/" + strings.Repeat("a", 8000), status: 404},
	{name: "form", path: executePath, body: `sandbox_id=1`, header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, status: 415},
	{name: "another host's name", method: http.MethodGet, path: "/sandboxes", header: map[string]string{"Host": "rebound.example"}, status: 421},
	{name: "a web page", path: createPath, body: `{}`, header: map[string]string{"Origin": "http://page.example"}, status: 403},
	{name: "empty archive", path: "/sandbox/{box}/archive?target_dir=/tmp", status: 400},
	{name: "no archive", path: "/sandbox/{box}/archive?target_dir=/tmp", body: "PK\x03\x04 this is no tar", header: map[string]string{"Content-Type": "application/x-tar"}, status: 400},
	{name: "archive nowhere", path: "/sandbox/{box}/archive", body: "x", header: map[string]string{"Content-Type": "application/x-tar"}, status: 422, words: []string{"target_dir"}},
}

// Every request that is wrong is refused with the right 4xx, says what is wrong
// in ms-enclave's form, and does the server no harm: it serves on, has no
// sandbox more and has not grown.
func TestEnclaveBadInput(t *testing.T) {
	before := lookAround(t)
	t.Cleanup(func() { before.compare(t) })
	s := startCupel(t, as(t, os.Geteuid()))
	c := &enclave{t: t, url: s.url}
	box := c.create(`{"tools_config": ["python_executor", "shell_executor"]}`)
	for _, r := range badRequests {
		t.Run(r.name, func(t *testing.T) {
			r.path = strings.ReplaceAll(r.path, "{box}", box)
			status, detail := r.send(t, s.url, strings.ReplaceAll(r.body, "{box}", box))
			if status != r.status {
				t.Errorf("status %d, want %d: %s", status, r.status, clip(detail))
			}
			for _, w := range r.words {
				if !strings.Contains(detail, w) {
					t.Errorf("%q does not say %q", clip(detail), w)
				}
			}
		})
	}
	t.Run("archives", func(t *testing.T) { badArchives(t, c, box) })
	t.Run("huge bodies", func(t *testing.T) { hugeBodies(t, s.url) })
	if got := c.python(box, "print('unharmed')"); got.Output != "unharmed\n" {
		t.Errorf("after it, a program gives %+v", got)
	}
	if n := len(c.list()); n != 1 {
		t.Errorf("after it there are %d sandboxes, want 1", n)
	}
	if strings.Contains(s.log.String(), "panic") {
		t.Errorf("the server's log has a panic\n%s", clip(s.log.String()))
	}
}

// send sends the request; the answer must be JSON with a detail.
func (r badRequest) send(t *testing.T, base, body string) (status int, detail string) {
	t.Helper()
	method := r.method
	if method == "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(t.Context(), method, base+r.path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
		if name == "Host" {
			req.Host = value
		}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ Detail json.RawMessage }
	if err := json.Unmarshal(text, &doc); err != nil || doc.Detail == nil {
		t.Errorf("no detail in %q: %v", clip(string(text)), err)
	}
	return res.StatusCode, string(text)
}

// evil are archives that no sandbox may take as they are, by what they try.
var evil = map[string][]tar.Header{
	"a path that climbs":       {{Name: "../climbed"}},
	"a path that climbs far":   {{Name: "a/../../../../../../../../tmp/cupel-e2e-climbed"}},
	"a link to elsewhere":      {{Name: "out", Typeflag: tar.TypeSymlink, Linkname: "/etc"}, {Name: "out/cupel-e2e-climbed"}},
	"a link that climbs":       {{Name: "up", Typeflag: tar.TypeSymlink, Linkname: "../.."}, {Name: "up/cupel-e2e-climbed"}},
	"a hard link to elsewhere": {{Name: "passwd", Typeflag: tar.TypeLink, Linkname: "../etc/passwd"}},
	"a hard link to the root":  {{Name: "passwd", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}},
	"a device":                 {{Name: "disk", Typeflag: tar.TypeBlock, Devmajor: 8}},
	"a character device":       {{Name: "mem", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 1}},
	"a pipe":                   {{Name: "pipe", Typeflag: tar.TypeFifo}},
	"a bomb":                   {{Name: "big", Size: 1 << 45}},
}

func badArchives(t *testing.T, c *enclave, box string) {
	for name, entries := range evil {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			w := tar.NewWriter(&b)
			for _, h := range entries {
				h.Mode = 0o644
				if h.Typeflag == 0 {
					h.Typeflag = tar.TypeReg
				}
				if err := w.WriteHeader(&h); err != nil {
					t.Fatal(err)
				}
			}
			_ = w.Flush()
			_, _ = b.Write(make([]byte, 1024)) // the end, which a writer refuses in the middle of a file
			r := badRequest{path: "/sandbox/" + box + "/archive?target_dir=" + url.QueryEscape("/tmp/evil"), header: map[string]string{"Content-Type": "application/x-tar"}}
			status, detail := r.send(t, c.url, b.String())
			if status != http.StatusBadRequest {
				t.Errorf("status %d: %s", status, detail)
			}
			c.shell(box, "rm -rf /tmp/evil") // what came before the bad entry
			for _, file := range []string{"/tmp/cupel-e2e-climbed", "/etc/cupel-e2e-climbed", "/cupel-e2e-climbed", "/tmp/climbed"} {
				if _, err := os.Lstat(file); err == nil {
					t.Errorf("%s was made on the host", file)
				}
				if got := c.shell(box, "ls -d "+file+" 2>/dev/null"); got.Output != "" {
					t.Errorf("%s was made in the sandbox", file)
				}
			}
		})
	}
}

// hugeBodies announces more than any body may have, and sends headers without
// an end: refused before any of it is read.
func hugeBodies(t *testing.T, base string) {
	for _, path := range []string{executePath, createPath, "/pool/execute?tool_name=x", "/sandbox/nosuchid/archive?target_dir=/tmp"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+path, &endless{})
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = 1 << 40
		req.Header.Set("Content-Type", "application/json")
		began := time.Now()
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		res.Body.Close()
		if res.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: status %d, want 413", path, res.StatusCode)
		}
		t.Logf("%s: refused after %v", path, time.Since(began).Round(time.Millisecond))
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/health", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		req.Header.Set(fmt.Sprintf("X-Filler-%d", i), strings.Repeat("x", 8000))
	}
	res, err := http.DefaultClient.Do(req)
	if err == nil {
		res.Body.Close()
		if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("1.6 MB of headers: status %d, want 431", res.StatusCode)
		}
	}
}

// endless is a body of blanks that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}
