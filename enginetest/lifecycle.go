package enginetest

import (
	"io"
	"strings"
	"time"

	"cupel.dev/cupel"
)

func lifecycleRequirements() []requirement {
	return []requirement{
		{"closing a sandbox twice is fine", closeTwice},
		{"a closed sandbox is kind closed", useAfterClose},
		{"closing a sandbox ends what runs in it", closeWhileRunning},
		{"a closed engine is kind closed, and its sandboxes too", closeEngine},
		{"closing an engine ends what runs", closeEngineWhileRunning},
		{"an archive that nobody reads holds up neither Reset nor Close", unreadArchive},
		{"sandboxes have names of their own", identities},
	}
}

func closeTwice(c *check) {
	sb := c.sandbox()
	for range 3 {
		if err := sb.Close(); err != nil {
			c.Errorf("Close = %v", err)
		}
	}
}

// closed requires that every method says so.
func (c *check) closed(sb cupel.Sandbox) {
	c.Helper()
	_, execErr := sb.Exec(c.ctx, shell("exit 0"))
	r, getErr := sb.Get(c.ctx, "/tmp")
	if r != nil {
		r.Close()
	}
	all := map[string]error{
		"Exec": execErr, "Get": getErr,
		"Put": sb.Put(c.ctx, "/tmp", strings.NewReader("")),
	}
	if r, ok := sb.(cupel.Resetter); ok {
		all["Reset"] = r.Reset(c.ctx)
	}
	for name, err := range all {
		if cupel.KindOf(err) != cupel.Closed {
			c.Errorf("%s after Close = %v, want kind closed", name, err)
		}
	}
}

func useAfterClose(c *check) {
	sb := c.sandbox()
	c.sh(sb, "exit 0").ok(c)
	if err := sb.Close(); err != nil {
		c.Fatal(err)
	}
	c.closed(sb)
}

// sleeping starts a program that sleeps for long and returns the channel of
// Exec's error once it runs.
func (c *check) sleeping(sb cupel.Sandbox) <-chan error {
	started := make(chan struct{}, 1)
	ended := make(chan error, 1)
	cmd := shell("echo started; sleep 50")
	cmd.Stdout = writerFunc(func(p []byte) (int, error) {
		select {
		case started <- struct{}{}:
		default:
		}
		return len(p), nil
	})
	go func() {
		_, err := sb.Exec(c.ctx, cmd)
		ended <- err
	}()
	select {
	case <-started:
	case <-time.After(promptly):
		c.Error("the sleeper did not start")
	}
	return ended
}

func longer() cupel.Spec { return limits(cupel.Limits{Time: patience}) }

// endsClosed waits for what sleeping started.
func (c *check) endsClosed(ended <-chan error) {
	c.Helper()
	select {
	case err := <-ended:
		if k := cupel.KindOf(err); k != cupel.Closed && k != cupel.Canceled {
			c.Errorf("Exec under Close = %v, want kind closed", err)
		}
	case <-time.After(promptly):
		c.Error("Exec goes on after Close")
	}
}

func closeWhileRunning(c *check) {
	sb := c.sandbox(longer())
	ended := c.sleeping(sb)
	if err := sb.Close(); err != nil {
		c.Errorf("Close = %v", err)
	}
	c.endsClosed(ended)
	c.closed(sb)
}

func closeEngine(c *check) {
	e := c.suite.open(c.T)
	sb, err := e.Create(c.ctx, c.spec())
	if err != nil {
		c.Fatal(err)
	}
	for range 2 {
		if err := e.Close(); err != nil {
			c.Errorf("Close = %v", err)
		}
	}
	c.closed(sb)
	if err := sb.Close(); err != nil {
		c.Errorf("closing a sandbox of a closed engine: %v", err)
	}
	if sb, err := e.Create(c.ctx, c.spec()); cupel.KindOf(err) != cupel.Closed {
		c.Errorf("Create after Close = %v, want kind closed", err)
		if err == nil {
			sb.Close()
		}
	}
}

func closeEngineWhileRunning(c *check) {
	e := c.suite.open(c.T)
	sb, err := e.Create(c.ctx, c.spec(longer()))
	if err != nil {
		c.Fatal(err)
	}
	ended := c.sleeping(sb)
	began := time.Now()
	if err := e.Close(); err != nil {
		c.Errorf("Close = %v", err)
	}
	if d := time.Since(began); d > promptly {
		c.Errorf("Close took %v", d)
	}
	c.endsClosed(ended)
}

// soon requires that f returns without an error, and promptly; after a failure
// it releases what holds f up and waits for its end.
func (c *check) soon(what string, f func() error, release func() error) {
	c.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		if err != nil {
			c.Errorf("%s: %v", what, err)
		}
	case <-time.After(promptly):
		c.Errorf("%s does not return", what)
		release()
		<-done
	}
}

func unreadArchive(c *check) {
	sb := c.sandbox(inWork())
	get := func() io.ReadCloser {
		c.sh(sb, "mkdir -p d; head -c 5000000 /dev/zero > d/f").ok(c)
		r, err := sb.Get(c.ctx, "/work/d")
		if err != nil {
			c.Fatal(err)
		}
		c.Cleanup(func() { r.Close() })
		return r
	}
	r := get()
	if reset, ok := sb.(cupel.Resetter); ok {
		c.soon("Reset", func() error { return reset.Reset(c.ctx) }, r.Close)
		r.Close()
		r = get()
	}
	c.soon("Close", sb.Close, r.Close)
	if n, err := io.Copy(io.Discard, r); err == nil && n < 5000000 {
		c.Error("the archive of a closed sandbox ends as if it were whole")
	}
}

func identities(c *check) {
	if c.suite.engine.Name() == "" {
		c.Error("the engine has no name")
	}
	seen := map[string]bool{}
	for range 5 {
		sb := c.sandbox()
		if id := sb.ID(); id == "" || seen[id] {
			c.Errorf("sandbox id %q is empty or was seen before", id)
		}
		seen[sb.ID()] = true
	}
}
