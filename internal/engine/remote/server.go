package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/wire/enclave"
)

const shellTool = "shell_executor"

// maxAnswer bounds an answer. Ours never ask for more than a few MiB.
const maxAnswer = 64 << 20

// server makes requests, one method for each route that is used.
type server struct {
	base, key string
	timeout   time.Duration
	client    *http.Client
}

func newServer(cfg Config) *server {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxConnsPerHost = cfg.MaxConnections
	transport.MaxIdleConnsPerHost = cfg.MaxConnections
	// Servers close idle connections without a word; uvicorn after 5 s.
	transport.IdleConnTimeout = 4 * time.Second
	return &server{
		base: cfg.BaseURL, key: cfg.APIKey,
		timeout: time.Duration(cfg.Timeout * float64(time.Second)),
		client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // the key is for this server alone
		}},
	}
}

func (s *server) close() { s.client.CloseIdleConnections() }

// request is one call of a route.
type request struct {
	op, method, path string
	query            url.Values
	// body returns the body anew for each try; nil is none.
	body        func() (io.ReadCloser, error)
	size        int64
	contentType string
	// safe says that the request may be made again after it was sent.
	safe bool
	// beyond is added to the server's time for a request.
	beyond time.Duration
}

// health asks whether the server is well, and whether it is Cupel's own.
func (s *server) health(ctx context.Context) (ours bool, err error) {
	var answer enclave.HealthCheckResult
	err = s.do(ctx, request{op: "connect to the sandbox server", method: http.MethodGet, path: "/health", safe: true}, &answer)
	if err == nil && !answer.Healthy {
		err = cupel.Errorf(cupel.Unavailable, "connect to the sandbox server", "%s says that it is not healthy", s.base)
	}
	_, ours = answer.SystemInfo["cupel"]
	return ours, err
}

func (s *server) create(ctx context.Context, config createConfig) (id string, err error) {
	body, err := json.Marshal(config)
	if err != nil {
		return "", cupel.Errorf(cupel.Internal, "create a sandbox", "%w", err)
	}
	var answer struct {
		ID string `json:"sandbox_id"`
	}
	err = s.do(ctx, jsonBody(request{
		op: "create a sandbox", method: http.MethodPost, path: "/sandbox/create",
		query: url.Values{"sandbox_type": {string(enclave.TypeDocker)}},
		// A first use may pull the image.
		beyond: 4 * s.timeout,
	}, body), &answer)
	if err == nil && answer.ID == "" {
		err = notSuchServer("create a sandbox", s.base)
	}
	return answer.ID, err
}

func (s *server) remove(ctx context.Context, id string) error {
	err := s.do(ctx, request{op: "delete a sandbox", method: http.MethodDelete, path: "/sandbox/" + url.PathEscape(id), safe: true}, nil)
	if cupel.KindOf(err) == cupel.NotFound {
		return nil
	}
	return err
}

// archive unpacks a tar below dir.
func (s *server) archive(ctx context.Context, id, dir string, size int64, body func() (io.ReadCloser, error)) error {
	var answer struct {
		OK bool `json:"ok"`
	}
	err := s.do(ctx, request{
		op: "put " + dir, method: http.MethodPost, path: "/sandbox/" + url.PathEscape(id) + "/archive",
		query: url.Values{"target_dir": {dir}}, body: body, size: size, contentType: "application/x-tar",
	}, &answer)
	if err == nil && !answer.OK {
		err = cupel.Errorf(cupel.Internal, "put "+dir, "the server could not unpack the archive")
	}
	return err
}

// execute runs the shell tool for at most limit; 0 is none, and no program of
// the server's own around the command.
func (s *server) execute(ctx context.Context, op, id string, command []string, limit time.Duration) (enclave.ToolResult, error) {
	var result enclave.ToolResult
	parameters := map[string]any{"command": command, "timeout": nil}
	if limit > 0 {
		parameters["timeout"] = int(limit / time.Second)
	}
	body, err := json.Marshal(map[string]any{"sandbox_id": id, "tool_name": shellTool, "parameters": parameters})
	if err != nil {
		return result, cupel.Errorf(cupel.Internal, op, "%w", err)
	}
	err = s.do(ctx, jsonBody(request{op: op, method: http.MethodPost, path: "/sandbox/tool/execute", beyond: limit}, body), &result)
	if err == nil && result.Status == "" {
		err = notSuchServer(op, s.base)
	}
	return result, err
}

func jsonBody(r request, body []byte) request {
	r.body = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.size, r.contentType = int64(len(body)), "application/json"
	return r
}

// do makes a request, more than once where that is safe, and decodes the
// answer into out.
func (s *server) do(ctx context.Context, r request, out any) error {
	for try := 0; ; try++ {
		again, err := s.once(ctx, r, out)
		if err == nil || !again.allowed || try >= maxRetries {
			return err
		}
		if !pause(ctx, again.delay(try)) {
			return canceled(ctx, r.op)
		}
	}
}

// once makes a request and says whether it may be made again.
func (s *server) once(ctx context.Context, r request, out any) (retry, error) {
	timed, cancel := context.WithTimeout(ctx, s.timeout+r.beyond)
	defer cancel()
	req, err := s.build(timed, r)
	if err != nil {
		return retry{}, cupel.Errorf(cupel.Internal, r.op, "%w", err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return s.transportError(ctx, r, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return s.transportError(ctx, r, err)
	}
	switch {
	case resp.StatusCode != http.StatusOK:
		return s.refusal(r, resp, body)
	case len(body) > maxAnswer:
		return retry{}, cupel.Errorf(cupel.Internal, r.op, "the server's answer is longer than %d MiB", maxAnswer>>20)
	case out == nil:
		return retry{}, nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return retry{}, notSuchServer(r.op, s.base)
	}
	return retry{}, nil
}

func (s *server) build(ctx context.Context, r request) (*http.Request, error) {
	target := s.base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, nil)
	if err != nil {
		return nil, err
	}
	if r.body != nil {
		if req.Body, err = r.body(); err != nil {
			return nil, err
		}
		req.ContentLength = r.size
		req.Header.Set("Content-Type", r.contentType)
	}
	req.Header.Set("Accept", "application/json")
	if s.key != "" {
		req.Header.Set("X-API-Key", s.key)
	}
	return req, nil
}

// retryAfter reads the header in seconds, 0 if there is none.
func retryAfter(resp *http.Response) time.Duration {
	n, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	if err != nil || n < 0 {
		return 0
	}
	return min(time.Duration(n)*time.Second, maxPause)
}
