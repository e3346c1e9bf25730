package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

const config = `{"tools_config": ["python_executor", "shell_executor"], "network_enabled": false}`

// load does in Go what the Python client does.
func (o *options) load(ctx context.Context, kind, url string) (total result, err error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: o.atOnce(kind)}}
	defer client.CloseIdleConnections()
	c := &caller{http: client, url: url}
	once := c.fresh
	if kind != "fresh" {
		once = c.pooled
		var made struct {
			IDs []string `json:"sandbox_ids"`
		}
		if err := c.post(ctx, fmt.Sprintf("/pool/initialize?sandbox_type=docker&pool_size=%d", o.atOnce(kind)), config, &made); err != nil {
			return total, err
		}
		defer func() {
			for _, id := range made.IDs {
				_ = c.do(ctx, http.MethodDelete, "/sandbox/"+id, "", nil)
			}
		}()
	}
	if _, err := once(ctx); err != nil {
		return total, err
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	began := time.Now()
	end := began
	for range o.atOnce(kind) {
		all.Go(func() {
			for time.Since(began) < o.length {
				output, failed := once(ctx)
				mu.Lock()
				if failed != nil {
					err = failed
				}
				total.Calls++
				if output != "42\n" {
					total.Wrong++
				}
				end = time.Now()
				stop := err != nil
				mu.Unlock()
				if stop {
					return
				}
			}
		})
	}
	all.Wait()
	total.Seconds = end.Sub(began).Seconds()
	return total, err
}

// caller is a client of ms-enclave's API.
type caller struct {
	http *http.Client
	url  string
	// cookie says which pool is meant, where a server has several.
	cookie string
}

func (c *caller) pooled(ctx context.Context) (output string, err error) {
	var result struct{ Output string }
	err = c.post(ctx, "/pool/execute?tool_name=python_executor", `{"code": "print(6 * 7)"}`, &result)
	return result.Output, err
}

func (c *caller) fresh(ctx context.Context) (output string, err error) {
	var made struct {
		ID string `json:"sandbox_id"`
	}
	if err := c.post(ctx, "/sandbox/create?sandbox_type=docker", config, &made); err != nil {
		return "", err
	}
	var result struct{ Output string }
	body := fmt.Sprintf(`{"sandbox_id": %q, "tool_name": "python_executor", "parameters": {"code": "print(6 * 7)"}}`, made.ID)
	if err := c.post(ctx, "/sandbox/tool/execute", body, &result); err != nil {
		return "", err
	}
	return result.Output, c.do(ctx, http.MethodDelete, "/sandbox/"+made.ID, "", nil)
}

func (c *caller) post(ctx context.Context, path, body string, into any) error {
	return c.do(ctx, http.MethodPost, path, body, into)
}

func (c *caller) do(ctx context.Context, method, path, body string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.cookie != "" {
		req.Header.Set("Cookie", c.cookie)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %d: %.300s", path, res.StatusCode, text)
	}
	for _, cookie := range res.Cookies() {
		c.cookie = cookie.Name + "=" + cookie.Value
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

// doNothing answers at once what a server would, so that a client's own cost is
// seen.
func doNothing(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/json")
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000000")
	switch {
	case r.URL.Path == "/sandbox/create":
		fmt.Fprint(w, `{"sandbox_id": "nothing"}`)
	case r.URL.Path == "/pool/initialize":
		fmt.Fprint(w, `{"message": "Pool initialized successfully", "pool_size": 1, "sandbox_ids": ["nothing"]}`)
	case r.URL.Path == "/sandbox/nothing" && r.Method == http.MethodGet:
		fmt.Fprintf(w, `{"id": "nothing", "status": "running", "type": "docker", "config": {}, "created_at": %q, "updated_at": %q, "metadata": {}, "available_tools": {}}`, now, now)
	case r.Method == http.MethodDelete:
		fmt.Fprint(w, `{"message": "Sandbox deleted successfully"}`)
	default:
		fmt.Fprintf(w, `{"status": "success", "execution_time": null, "timestamp": %q, "tool_name": "python_executor", "output": "42\n", "metadata": {}, "error": null}`, now)
	}
}
