package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
	"unicode/utf8"

	"cupel.dev/cupel"
	"cupel.dev/cupel/api"
)

// Sandbox is a sandbox on the server, as any other cupel.Sandbox but for
// these: an Exec's stdin is read to its end first and sent whole, and an Exec
// whose context ends returns at once, while the server ends its processes.
type Sandbox struct {
	client *Client
	id     string

	closing sync.Mutex
	closed  bool
}

var (
	_ cupel.Sandbox  = (*Sandbox)(nil)
	_ cupel.Resetter = (*Sandbox)(nil)
)

// CreateSandbox makes a sandbox. The caller closes it; the server removes what
// nobody used for long.
func (c *Client) CreateSandbox(ctx context.Context, spec cupel.Spec) (*Sandbox, error) {
	var doc api.Sandbox
	if err := c.post(ctx, "/v1/sandboxes", api.NewSpec(spec), &doc); err != nil {
		return nil, err
	}
	if doc.ID == "" {
		return nil, c.nonsense("a sandbox without an id")
	}
	return c.Sandbox(doc.ID), nil
}

// Sandbox returns one that was made before; nothing is sent.
func (c *Client) Sandbox(id string) *Sandbox { return &Sandbox{client: c, id: id} }

// Sandboxes lists the caller's sandboxes, oldest first.
func (c *Client) Sandboxes(ctx context.Context) ([]api.Sandbox, error) {
	var doc api.SandboxList
	err := c.get(ctx, "/v1/sandboxes", &doc)
	return doc.Sandboxes, err
}

func (s *Sandbox) path(below string) string { return "/v1/sandboxes/" + url.PathEscape(s.id) + below }

// ID names the sandbox.
func (s *Sandbox) ID() string { return s.id }

// Describe asks the server about the sandbox.
func (s *Sandbox) Describe(ctx context.Context) (api.Sandbox, error) {
	var doc api.Sandbox
	return doc, s.known(s.client.get(ctx, s.path(""), &doc))
}

// Exec runs cmd to its end; its output is written as it comes. Arguments,
// variables and directories that are no UTF-8 are kind Unsupported. After an
// error the Result says nothing.
func (s *Sandbox) Exec(ctx context.Context, cmd cupel.Cmd) (cupel.Result, error) {
	if err := s.refuse(); err != nil {
		return cupel.Result{ExitCode: -1}, err
	}
	if err := cmd.Validate(); err != nil {
		return cupel.Result{ExitCode: -1}, err
	}
	if err := isText(cmd); err != nil {
		return cupel.Result{ExitCode: -1}, err
	}
	stdin, err := s.client.readStdin(ctx, cmd.Stdin)
	if err != nil {
		return cupel.Result{ExitCode: -1}, err
	}
	req := api.ExecRequest{
		Args: cmd.Args, Env: cmd.Env, Dir: cmd.Dir, User: cmd.User, Limits: api.NewLimits(cmd.Limits),
	}
	// Text that is all control characters is six times as long in JSON.
	const most = 1 << 20
	if len(stdin) <= most && utf8.Valid(stdin) {
		req.Stdin = string(stdin)
	} else {
		req.StdinBase64 = stdin
	}
	res, err := s.client.stream(ctx, s.path("/exec"), req, cmd.Stdout, cmd.Stderr)
	if err != nil {
		return cupel.Result{ExitCode: -1}, s.known(err)
	}
	return res.Cupel(), nil
}

// isText refuses what JSON can't say: bytes that are no UTF-8.
func isText(cmd cupel.Cmd) error {
	refuse := func(field, value string) error {
		return cupel.Errorf(cupel.Unsupported, "", "%s %q is not UTF-8 and can't be sent", field, value).
			WithHint("give it in a file or as stdin, which may be bytes")
	}
	for _, arg := range cmd.Args {
		if !utf8.ValidString(arg) {
			return refuse("argument", arg)
		}
	}
	for name, value := range cmd.Env {
		if !utf8.ValidString(name + value) {
			return refuse("env", name+"="+value)
		}
	}
	if !utf8.ValidString(cmd.Dir) {
		return refuse("dir", cmd.Dir)
	}
	return nil
}

// readStdin reads all that a program will read. A reader that blocks when ctx
// ends is left behind.
func (c *Client) readStdin(ctx context.Context, r io.Reader) ([]byte, error) {
	if r == nil {
		return nil, nil
	}
	type outcome struct {
		stdin []byte
		err   error
	}
	read := make(chan outcome, 1)
	go func() {
		stdin, err := io.ReadAll(io.LimitReader(r, c.cfg.MaxStdin+1))
		read <- outcome{stdin, err}
	}()
	var o outcome
	select {
	case o = <-read:
	case <-ctx.Done():
		return nil, canceled(ctx)
	}
	switch {
	case o.err != nil:
		return nil, cupel.Errorf(cupel.Invalid, "read stdin", "%w", o.err)
	case int64(len(o.stdin)) > c.cfg.MaxStdin:
		return nil, cupel.Errorf(cupel.Invalid, "", "stdin is longer than %v, which is the most that is sent", cupel.Size(c.cfg.MaxStdin)).
			WithHint("put a file into the sandbox, or raise Config.MaxStdin")
	}
	return o.stdin, nil
}

// Put unpacks a tar stream below dir. It is sent again only when tar is an
// io.Seeker.
func (s *Sandbox) Put(ctx context.Context, dir string, tar io.Reader) error {
	if err := s.refuse(); err != nil {
		return err
	}
	if dir == "" {
		return cupel.Invalidf("dir", dir, "give an absolute path")
	}
	if tar == nil {
		tar = bytes.NewReader(nil)
	}
	return s.known(s.client.exchange(ctx, request{
		method: http.MethodPut, path: s.path("/files"), query: url.Values{"dir": {dir}}, tar: tar,
	}, nil))
}

// Get streams path as a tar.
func (s *Sandbox) Get(ctx context.Context, path string) (io.ReadCloser, error) {
	if err := s.refuse(); err != nil {
		return nil, err
	}
	resp, err := s.client.send(ctx, request{
		method: http.MethodGet, path: s.path("/files"), query: url.Values{"path": {path}}, accept: "application/x-tar",
	})
	if err != nil {
		return nil, s.known(err)
	}
	return &archive{resp.Body, ctx}, nil
}

// archive is a tar on its way.
type archive struct {
	io.ReadCloser
	ctx context.Context //nolint:containedctx // it is the one that the reading ends with
}

func (a *archive) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return n, err
	case a.ctx.Err() != nil:
		return n, canceled(a.ctx)
	}
	return n, cupel.Errorf(cupel.Unavailable, "get", "the archive ended early: %w", err)
}

// Reset makes the sandbox pristine, or is kind Unsupported where the server's
// engine has no resets. After any other error it is gone.
func (s *Sandbox) Reset(ctx context.Context) error {
	if err := s.refuse(); err != nil {
		return err
	}
	return s.known(s.client.exchange(ctx, request{method: http.MethodPost, path: s.path("/reset")}, nil))
}

// Close ends what runs and removes the sandbox. It is idempotent, and content
// with a sandbox that is gone already; after an error it may be tried again.
func (s *Sandbox) Close() error {
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.closed {
		return nil
	}
	const patience = time.Minute
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := s.client.exchange(ctx, request{method: http.MethodDelete, path: s.path("")}, nil)
	switch cupel.KindOf(err) {
	case cupel.NotFound, cupel.Closed: // a server that closes leaves nothing
		err = nil
	}
	s.closed = err == nil
	return err
}

// refuse is what every engine says after Close.
func (s *Sandbox) refuse() error {
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.closed {
		return s.gone()
	}
	return nil
}

func (s *Sandbox) gone() error {
	return cupel.Errorf(cupel.Closed, "sandbox "+s.id, "already closed")
}

// known tells a call that Close overtook from one whose sandbox never was.
func (s *Sandbox) known(err error) error {
	if cupel.KindOf(err) == cupel.NotFound && s.refuse() != nil {
		return s.gone()
	}
	return err
}
