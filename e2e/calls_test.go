//go:build linux

package e2e

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// call is a recorded request of testdata/enclave/calls.json. "{NAME}" in its
// path and body stands for what an earlier call saved.
type call struct {
	Name, Method, Path string
	Server             string // "keyed" goes to the server that wants a key
	Headers            map[string]string
	// One of these is the body. Tool and Pool are short for an execution: the
	// sandbox (for Tool), the tool and its parameters.
	JSON json.RawMessage
	Raw  *string
	Type *string
	Tar  []tarEntry
	Tool []json.RawMessage
	Pool []json.RawMessage
	// Save keeps fields of the answer under names.
	Save map[string]string
	// Only names the fields to compare, all by default.
	Only []string
}

type tarEntry struct {
	Name, Text, Link string
	Mode             int64
}

func readCalls(t *testing.T, name string) (calls []call) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "enclave", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &calls); err != nil {
		t.Fatal(err)
	}
	return calls
}

// caller plays calls to one implementation.
type caller struct {
	servers map[string]*server
	saved   map[string]string
	client  http.Client
}

// fields are an answer taken apart: "status", "header.NAME" and the body's
// values by their path, as JSON, without what differs from run to run.
type fields map[string]string

func (c *caller) play(t *testing.T, k call) fields {
	t.Helper()
	req := c.request(t, k)
	res, err := c.client.Do(req)
	if err != nil {
		return fields{"error": err.Error()}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return fields{"error": err.Error()}
	}
	f := fields{"status": strconv.Itoa(res.StatusCode)}
	for _, name := range []string{"Content-Type", "Access-Control-Allow-Origin", "Allow"} {
		if v := res.Header.Get(name); v != "" {
			f["header."+strings.ToLower(name)] = v
		}
	}
	var doc any
	if json.Unmarshal(body, &doc) != nil {
		f["body"] = c.normal("body", strconv.Quote(string(body)))
	} else {
		for name, path := range k.Save {
			if v, ok := at(doc, path).(string); ok {
				c.saved[name] = v
			}
		}
		c.flatten(f, "body", doc)
	}
	if k.Only != nil {
		for name := range f {
			if !slices.Contains(k.Only, name) {
				delete(f, name)
			}
		}
	}
	return f
}

func (c *caller) request(t *testing.T, k call) *http.Request {
	t.Helper()
	method, path, body, kind := k.Method, k.Path, []byte(nil), "application/json"
	switch {
	case k.Tool != nil:
		var box string
		mustJSON(t, k.Tool[0], &box)
		if saved, ok := c.saved[box]; ok {
			box = saved
		}
		method, path = http.MethodPost, "/sandbox/tool/execute"
		body = fmt.Appendf(nil, `{"sandbox_id": %q, "tool_name": %s, "parameters": %s}`, box, k.Tool[1], k.Tool[2])
	case k.Pool != nil:
		var tool string
		mustJSON(t, k.Pool[0], &tool)
		method, path, body = http.MethodPost, "/pool/execute?tool_name="+tool, k.Pool[1]
	case k.Tar != nil:
		kind, body = "application/x-tar", archive(t, k.Tar)
	case k.Raw != nil:
		body = []byte(*k.Raw)
	case k.JSON != nil:
		body = []byte(c.fill(string(k.JSON)))
	}
	if k.Type != nil {
		kind = *k.Type
	}
	if method == "" {
		method = http.MethodGet
	}
	s := c.servers[k.Server]
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+c.fill(path), bytes.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v", k.Name, err)
	}
	if body != nil && kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for name, value := range k.Headers {
		req.Header.Set(name, value)
	}
	return req
}

func (c *caller) fill(s string) string {
	for name, value := range c.saved {
		s = strings.ReplaceAll(s, "{"+name+"}", value)
	}
	return s // a name that nothing saved stays, and finds nothing
}

func (c *caller) flatten(f fields, at string, v any) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) > 0 {
			for key, value := range v {
				c.flatten(f, at+"."+key, value)
			}
			return
		}
	case []any:
		if len(v) > 0 {
			for i, value := range v {
				c.flatten(f, fmt.Sprintf("%s[%d]", at, i), value)
			}
			return
		}
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
	f[at] = c.normal(at, strings.TrimSpace(text.String()))
}

// What differs from run to run, and what stands for it.
var varying = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?`), "<time>"},
	{regexp.MustCompile(`(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d +\d\d:\d\d`), "<date>"},
	{regexp.MustCompile(`[0-9a-f]{64}`), "<id>"},
	{regexp.MustCompile(`[0-9a-f]{32}`), "<hex>"},
}

// mostText is the longest value that is compared as it is; a longer one is
// compared by its sum.
const mostText = 1000

func (c *caller) normal(at, text string) string {
	if number, err := strconv.ParseFloat(text, 64); err == nil && number >= 0 {
		if strings.HasSuffix(at, ".uptime") || strings.HasSuffix(at, ".execution_time") {
			return "<seconds>"
		}
	}
	for name, value := range c.saved {
		text = strings.ReplaceAll(text, value, "{"+name+"}")
	}
	for _, v := range varying {
		text = v.pattern.ReplaceAllString(text, v.name)
	}
	if len(text) > mostText {
		return fmt.Sprintf("<%d bytes, sha256 %.6x>", len(text), sha256.Sum256([]byte(text)))
	}
	return text
}

// at finds a value by a path like "sandbox_ids.0".
func at(doc any, path string) any {
	for key := range strings.SplitSeq(path, ".") {
		switch v := doc.(type) {
		case map[string]any:
			doc = v[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(v) {
				return nil
			}
			doc = v[i]
		default:
			return nil
		}
	}
	return doc
}

func mustJSON(t *testing.T, text []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

func archive(t *testing.T, entries []tarEntry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: e.Name, Size: int64(len(e.Text)), Mode: e.Mode, ModTime: time.Unix(1e9, 0)}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if e.Link != "" {
			h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, e.Link, 0o777
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.Text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
