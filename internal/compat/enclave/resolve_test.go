package enclave

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/door"
	"cupel.dev/cupel/internal/engine/fake"
	"cupel.dev/cupel/internal/linux/peer"
	"cupel.dev/cupel/service"
)

// pools is a server behind a door and a listener, whose programs print the
// image that they run in.
type pools struct {
	*world
	url string
	// owners says which process a connection belongs to, by its client's end.
	mu     sync.Mutex
	owners map[string]int
	looked map[string]int
}

func newPools(t *testing.T, keys ...door.Key) *pools {
	t.Helper()
	images := Images{{"a", "dir:/a"}, {"b", "dir:/b"}}
	w := newWorldWith(t, Config{Images: images}, fake.Config{
		OnExec: func(_ context.Context, sb *fake.Sandbox, cmd cupel.Cmd) (cupel.Result, error) {
			fmt.Fprint(cmd.Stdout, sb.Spec.Image)
			return fake.OK(), nil
		},
	}, service.Config{}, door.Config{Keys: keys})
	p := &pools{world: w, owners: map[string]int{}, looked: map[string]int{}}
	w.server.owner = func(client, _ string) (peer.Process, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.looked[client]++
		if pid := p.owners[client]; pid != 0 {
			return peer.Process{PID: pid, Start: 1}, nil
		}
		return peer.Process{}, peer.ErrUnknown
	}
	d := w.server.cfg.Door
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := d.Server(d.Wrap(w.server.Handler(), Refuse))
	done := make(chan struct{})
	go func() { _ = srv.Serve(l); close(done) }()
	t.Cleanup(func() { srv.Close(); <-done })
	p.url = "http://" + l.Addr().String()
	return p
}

// client is one connection of one process.
type client struct {
	pools   *pools
	http    *http.Client
	headers map[string]string
	base    string
}

func (p *pools) client(pid int) *client {
	tr := &http.Transport{MaxConnsPerHost: 1, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err == nil {
			p.mu.Lock()
			p.owners[conn.LocalAddr().String()] = pid
			p.mu.Unlock()
		}
		return conn, err
	}}
	p.t.Cleanup(tr.CloseIdleConnections)
	return &client{pools: p, http: &http.Client{Transport: tr}, headers: map[string]string{}, base: p.url}
}

func (c *client) post(path, body string) answer {
	t := c.pools.t
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for k, v := range c.headers {
		r.Header.Set(k, v)
	}
	res, err := c.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	rec := httptest.NewRecorder()
	_, _ = rec.Body.ReadFrom(res.Body)
	a := answer{status: res.StatusCode, header: res.Header, text: rec.Body.String()}
	a.json = decode(a.text)
	return a
}

// initialize makes a pool of an image.
func (c *client) initialize(image string) answer {
	c.pools.t.Helper()
	a := c.post("/pool/initialize?pool_size=2", `{"tools_config":["shell_executor"],"image":"`+image+`"}`)
	if a.status != http.StatusOK {
		c.pools.t.Fatalf("initialize %s: %d %s", image, a.status, a.text)
	}
	return a
}

// runs expects that a program runs in the image, or with "" a refusal.
func (c *client) runs(image string) {
	c.pools.t.Helper()
	a := c.post("/pool/execute?tool_name=shell_executor", `{"command":"true"}`)
	if image == "" {
		if a.status != http.StatusConflict || !strings.Contains(a.detail(), "/pools/NAME") {
			c.pools.t.Errorf("%d %s, want 409 with the ways out", a.status, a.text)
		}
		return
	}
	if a.status != http.StatusOK || a.field("output") != "dir:/"+image {
		c.pools.t.Errorf("%d %s, want a run in %s", a.status, a.text, image)
	}
}

func TestOneConfigIsOnePool(t *testing.T) {
	p := newPools(t)
	p.client(1).initialize("a")
	// Another process, which has initialized none.
	p.client(2).runs("a")
	p.client(3).initialize("a")
	p.client(4).runs("a")
	if a := p.must("GET", "/stats", nil); a.field("pool_size") != 4.0 {
		t.Errorf("two initializations of 2 give %s", a.text)
	}
}

func TestPoolOfTheConnection(t *testing.T) {
	p := newPools(t)
	one, two := p.client(0), p.client(0)
	one.initialize("a")
	two.initialize("b")
	for range 3 {
		one.runs("a")
		two.runs("b")
	}
	p.client(0).runs("") // nobody knows who that is
}

func TestPoolOfTheProcess(t *testing.T) {
	p := newPools(t)
	p.client(1).initialize("a")
	p.client(2).initialize("b")
	for range 3 {
		c := p.client(1)
		c.runs("a")
		c.runs("a")
		p.client(2).runs("b")
		p.client(3).runs("")
	}
	for connection, n := range p.looked {
		if n > 1 {
			t.Errorf("the process of %s was looked up %d times", connection, n)
		}
	}
}

func TestOneProcessWithTwoPools(t *testing.T) {
	p := newPools(t)
	a, b := p.client(1), p.client(1)
	a.initialize("a")
	b.initialize("b")
	a.runs("a")
	b.runs("b")
	p.client(1).runs("")
}

// A client that goes on to another config takes all its connections along.
func TestSecondPoolOverTheSameConnections(t *testing.T) {
	p := newPools(t)
	p.client(9).initialize("a") // somebody else's, which stays
	one, two, three := p.client(1), p.client(1), p.client(1)
	one.initialize("a")
	two.runs("a")
	three.runs("a")
	two.initialize("b")
	for _, c := range []*client{one, two, three, p.client(1)} {
		c.runs("b")
	}
	p.client(9).runs("a")
}

func TestNamedPools(t *testing.T) {
	p := newPools(t)
	for name, use := range map[string]func(c *client, pool string){
		"path":   func(c *client, pool string) { c.base += "/pools/" + pool },
		"header": func(c *client, pool string) { c.headers["X-Cupel-Pool"] = pool },
	} {
		t.Run(name, func(t *testing.T) {
			first, second := p.client(1), p.client(1)
			use(first, name+"1")
			use(second, name+"2")
			first.initialize("a")
			second.initialize("b")
			for pool, image := range map[string]string{name + "1": "a", name + "2": "b"} {
				c := p.client(1)
				use(c, pool)
				c.runs(image)
			}
			none := p.client(1)
			use(none, name+"3")
			if a := none.post("/pool/execute?tool_name=x", "{}"); a.status != 400 || a.detail() != noPool {
				t.Errorf("a name without a pool: %d %s", a.status, a.text)
			}
		})
	}
	c := p.client(1)
	if a := c.post("/pool/execute?tool_name=shell_executor&pool=path2", `{"command":"x"}`); a.field("output") != "dir:/b" {
		t.Errorf("by parameter: %d %s", a.status, a.text)
	}
	for _, bad := range []string{"/pools//health", "/pools/%20/stats", "/pools/../stats", "/pools/" + strings.Repeat("x", 65) + "/pool/execute?tool_name=x"} {
		if a := c.post(bad, "{}"); a.status < 400 || a.status > 499 {
			t.Errorf("%s: %d %s", bad, a.status, a.text)
		}
	}
}

func TestWorldsSeeTheirOwn(t *testing.T) {
	w := newWorld(t, Config{}, fake.Config{})
	root := w.create("docker", nil)
	inner, _ := w.must("POST", "/pools/mine/sandbox/create?sandbox_type=docker", nil).field("sandbox_id").(string)
	for path, want := range map[string][2]bool{"": {true, true}, "/pools/mine": {false, true}, "/pools/other": {false, false}} {
		list := w.must("GET", path+"/sandboxes", nil).text
		for i, id := range []string{root, inner} {
			status := w.ask("GET", path+"/sandbox/"+id, nil).status
			if seen := strings.Contains(list, id); seen != want[i] || (status == 200) != want[i] {
				t.Errorf("%s of %s: listed %v, status %d, want %v", id, path, seen, status, want[i])
			}
		}
	}
	if a := w.must("GET", "/pools/other/health", nil); a.field("active_sandboxes") != 0.0 {
		t.Errorf("health: %s", a.text)
	}
}

func TestCookieOfThePool(t *testing.T) {
	p := newPools(t, door.Key{Name: "k1", Secret: "secret-number-one"}, door.Key{Name: "k2", Secret: "secret-number-two"})
	with := func(key, cookie string) *client {
		c := p.client(0)
		c.headers["X-API-Key"] = key
		if cookie != "" {
			c.headers["Cookie"] = cookie
		}
		return c
	}
	cookieOf := func(a answer) string {
		set := a.header.Get("Set-Cookie")
		if !strings.Contains(set, "HttpOnly") || !strings.Contains(set, "SameSite=Strict") || !strings.Contains(set, "Path=/") {
			t.Errorf("cookie: %q", set)
		}
		cookie, _, _ := strings.Cut(set, ";")
		return cookie
	}
	a := cookieOf(with("secret-number-one", "").initialize("a"))
	b := cookieOf(with("secret-number-one", "").initialize("b"))
	with("secret-number-one", a).runs("a")
	with("secret-number-one", b).runs("b")
	with("secret-number-one", "").runs("")
	with("secret-number-one", "cupel_pool=guess").runs("")
	if got := with("secret-number-two", a).post("/pool/execute?tool_name=shell_executor", `{"command":"x"}`); got.detail() != noPool {
		t.Errorf("another key's cookie: %d %s", got.status, got.text)
	}
	with("secret-number-two", "").initialize("b")
	with("secret-number-two", a).runs("b")
}

func TestConnectionsAreForgotten(t *testing.T) {
	var l links
	l.init()
	for i := range uint64(3 * mostLinks) {
		l.of(i + 1).looked = true
	}
	if len(l.connections) > mostLinks || len(l.order) != len(l.connections) {
		t.Errorf("%d connections are remembered, %d in order", len(l.connections), len(l.order))
	}
	if !l.of(3 * mostLinks).looked {
		t.Error("the newest was forgotten")
	}
	l.of(0).looked = true
	if l.of(0).looked {
		t.Error("an unknown connection is remembered")
	}
}
