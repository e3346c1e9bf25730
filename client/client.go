// Package client speaks Cupel's own HTTP API, /v1.
//
// What a program did is an api.Result or a cupel.Result; every error is a
// *cupel.Error, of the kind that the server said. A server that can't be
// reached, or an answer that makes no sense, is kind Unavailable: it is never
// a verdict.
//
// What is sent again, up to Config.Retries times: a GET that failed in any way
// that may pass; any other request only when it certainly started nothing,
// that is when no connection could be made, or the server answered 429 or 503
// with Retry-After. So nothing ever runs twice. Waits grow and are drawn at
// random, Retry-After is the least (and counts at most 30 s), and they end
// with the context.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"cupel.dev/cupel"
	"cupel.dev/cupel/api"
)

// Config configures a Client. Only BaseURL is needed.
type Config struct {
	// BaseURL is where the server is: "http://127.0.0.1:1234". A path in it
	// goes before /v1.
	BaseURL string
	// Key is sent with every request unless it is "".
	Key string
	// HTTP sends the requests. It should have no Timeout: programs run as long
	// as they may; give contexts. Default: a client of its own.
	HTTP *http.Client
	// Retries is how often a request is sent again; negative is never.
	// Default 4.
	Retries int
	// MaxStdin bounds what is read of a Cmd's Stdin, in bytes, as it is sent
	// whole. Default 32 MiB.
	MaxStdin int64
}

// Client is a connection to one server. It is safe for concurrent use.
type Client struct {
	cfg  Config
	base *url.URL
	http *http.Client
	// own is the transport to close, nil when it is the caller's.
	own *http.Transport
}

// New makes a Client; nothing is sent yet. The error is kind Invalid, for a
// BaseURL that is none.
func New(cfg Config) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(cfg.BaseURL, "/"))
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || base.RawQuery != "" || base.Fragment != "" {
		return nil, cupel.Invalidf("base URL", cfg.BaseURL, "write it as http://HOST:PORT")
	}
	if cfg.Retries == 0 {
		cfg.Retries = 4
	}
	if cfg.MaxStdin <= 0 {
		cfg.MaxStdin = 32 << 20
	}
	c := &Client{cfg: cfg, base: base, http: cfg.HTTP}
	if c.http == nil {
		c.own = http.DefaultTransport.(*http.Transport).Clone()
		c.own.MaxIdleConns, c.own.MaxIdleConnsPerHost = 0, 64
		c.http = &http.Client{Transport: c.own}
	}
	return c, nil
}

// Close closes idle connections. Sandboxes stay until they expire.
func (c *Client) Close() {
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
}

// Health asks how the server is.
func (c *Client) Health(ctx context.Context) (api.Health, error) {
	var doc api.Health
	return doc, c.get(ctx, "/v1/health", &doc)
}

// Languages lists the languages that Run knows.
func (c *Client) Languages(ctx context.Context) ([]api.Language, error) {
	var doc api.LanguageList
	err := c.get(ctx, "/v1/languages", &doc)
	return doc.Languages, err
}

// Run runs one program and returns what it did and wrote.
func (c *Client) Run(ctx context.Context, req api.RunRequest) (*api.Result, error) {
	return c.run(ctx, "/v1/run", req)
}

// RunStream is Run that writes the output as it comes; the Result has none. A
// nil writer discards. A writer that fails gets no more, and is the caller's
// business.
func (c *Client) RunStream(ctx context.Context, req api.RunRequest, stdout, stderr io.Writer) (*api.Result, error) {
	return c.stream(ctx, "/v1/run", req, stdout, stderr)
}

// CreatePool asks for a pool whose sandboxes are made ahead; size 0 is the
// server's choice. Asking again gives the same pool.
func (c *Client) CreatePool(ctx context.Context, spec cupel.Spec, size int) (api.Pool, error) {
	var doc api.Pool
	req := api.PoolRequest{Spec: api.NewSpec(spec), Size: api.Count(size)}
	return doc, c.post(ctx, "/v1/pools", req, &doc)
}

// Pools lists the caller's pools, those that Run used too.
func (c *Client) Pools(ctx context.Context) ([]api.Pool, error) {
	var doc api.PoolList
	err := c.get(ctx, "/v1/pools", &doc)
	return doc.Pools, err
}

// Pool describes one of the caller's pools.
func (c *Client) Pool(ctx context.Context, id string) (api.Pool, error) {
	var doc api.Pool
	return doc, c.get(ctx, "/v1/pools/"+url.PathEscape(id), &doc)
}

// RunInPool is Run in a sandbox of the pool; image, network, isolation and
// directory are the pool's and stay unset.
func (c *Client) RunInPool(ctx context.Context, id string, req api.RunRequest) (*api.Result, error) {
	return c.run(ctx, "/v1/pools/"+url.PathEscape(id)+"/run", req)
}

// RunInPoolStream is RunInPool as RunStream is Run.
func (c *Client) RunInPoolStream(ctx context.Context, id string, req api.RunRequest, stdout, stderr io.Writer) (*api.Result, error) {
	return c.stream(ctx, "/v1/pools/"+url.PathEscape(id)+"/run", req, stdout, stderr)
}

func (c *Client) run(ctx context.Context, path string, req api.RunRequest) (*api.Result, error) {
	var doc api.Result
	if err := c.post(ctx, path, req, &doc); err != nil {
		return nil, err
	}
	if doc.Status == "" {
		return nil, c.nonsense("a result without a status")
	}
	return &doc, nil
}

func (c *Client) get(ctx context.Context, path string, doc any) error {
	return c.exchange(ctx, request{method: http.MethodGet, path: path}, doc)
}

func (c *Client) post(ctx context.Context, path string, body, doc any) error {
	raw, err := encode(body)
	if err != nil {
		return err
	}
	return c.exchange(ctx, request{method: http.MethodPost, path: path, json: raw}, doc)
}

// exchange sends a request and reads the answer into doc, unless that is nil.
func (c *Client) exchange(ctx context.Context, req request, doc any) error {
	resp, err := c.send(ctx, req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if doc == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection is used again
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(doc); err != nil {
		if ctx.Err() != nil {
			return canceled(ctx)
		}
		return c.nonsense(err.Error())
	}
	return nil
}

// nonsense is the error for an answer that no cupel server gives.
func (c *Client) nonsense(what string) error {
	return cupel.Errorf(cupel.Unavailable, "", "the server at %s gave no answer that can be read: %s", c.base.Redacted(), what)
}

func canceled(ctx context.Context) error {
	return &cupel.Error{Kind: cupel.Canceled, Op: "request", Err: context.Cause(ctx)}
}

func encode(doc any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		return nil, cupel.Errorf(cupel.Invalid, "", "the request can't be written as JSON: %w", err)
	}
	return buf.Bytes(), nil
}
