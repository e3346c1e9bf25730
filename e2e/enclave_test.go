//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
)

// enclave is a small client of ms-enclave's API, for what takes too many calls
// for Python's.
type enclave struct {
	t    testing.TB
	url  string
	http http.Client
}

type toolResult struct {
	Status   string
	Output   string
	Error    string
	Metadata json.RawMessage
}

// answer is any answer of the server.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (c *enclave) try(method, path, body string) (reply, error) {
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return reply{}, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, text}, err
}

// do sends a request that must succeed.
func (c *enclave) do(method, path, body string, into any) {
	c.t.Helper()
	r, err := c.try(method, path, body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	if r.status != http.StatusOK {
		c.t.Fatalf("%s %s: status %d: %s", method, path, r.status, clip(string(r.body)))
	}
	if into != nil {
		if err := json.Unmarshal(r.body, into); err != nil {
			c.t.Fatalf("%s %s: %v: %s", method, path, err, clip(string(r.body)))
		}
	}
}

func (c *enclave) create(config string) (box string) {
	c.t.Helper()
	var made struct {
		ID string `json:"sandbox_id"`
	}
	c.do(http.MethodPost, createPath, config, &made)
	return made.ID
}

func (c *enclave) remove(box string) {
	c.t.Helper()
	c.do(http.MethodDelete, "/sandbox/"+box, "", nil)
}

func (c *enclave) list() (boxes []struct{ ID, Status string }) {
	c.t.Helper()
	c.do(http.MethodGet, "/sandboxes", "", &boxes)
	return boxes
}

func (c *enclave) pool(size int, config string) {
	c.t.Helper()
	c.do(http.MethodPost, fmt.Sprintf("/pool/initialize?sandbox_type=docker&pool_size=%d", size), config, nil)
}

func (c *enclave) python(box, code string) (r toolResult) {
	c.t.Helper()
	c.do(http.MethodPost, executePath, execution(box, "python_executor", "code", code), &r)
	return r
}

func (c *enclave) shell(box, command string) (r toolResult) {
	c.t.Helper()
	c.do(http.MethodPost, executePath, execution(box, "shell_executor", "command", command), &r)
	return r
}

func execution(box, tool, parameter, value string) string {
	text, _ := json.Marshal(map[string]any{"sandbox_id": box, "tool_name": tool, "parameters": map[string]any{parameter: value}})
	return string(text)
}

func parameters(name, value string) string {
	text, _ := json.Marshal(map[string]string{name: value})
	return string(text)
}
