package enclave

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"cupel.dev/cupel/internal/door"
)

// route is a row of the protocol. A part of the pattern in braces stands for
// anything but a slash. The order is theirs, and decides.
type route struct {
	method, pattern string
	handle          func(*Server, *call)
}

func routes() []route {
	return []route{
		{"GET", "/openapi.json", (*Server).openapi},
		{"GET", "/docs", (*Server).docs},
		{"GET", "/health", (*Server).health},
		{"POST", "/sandbox/create", (*Server).createSandbox},
		{"GET", "/sandboxes", (*Server).listSandboxes},
		{"GET", "/sandbox/{sandbox_id}", (*Server).getSandbox},
		{"POST", "/sandbox/{sandbox_id}/stop", (*Server).stopSandbox},
		{"DELETE", "/sandbox/{sandbox_id}", (*Server).deleteSandbox},
		{"POST", "/sandbox/tool/execute", (*Server).executeTool},
		{"GET", "/sandbox/{sandbox_id}/tools", (*Server).sandboxTools},
		{"POST", "/sandbox/{sandbox_id}/archive", (*Server).putArchive},
		{"GET", "/stats", (*Server).stats},
		{"POST", "/pool/initialize", (*Server).initializePool},
		{"POST", "/pool/execute", (*Server).executeInPool},
	}
}

// call is one request on its way.
type call struct {
	w      http.ResponseWriter
	r      *http.Request
	caller door.Caller
	// world is the NAME of /pools/NAME, or the pool that a header or a
	// parameter names, or "".
	world string
	// id is what the braces stood for.
	id string
}

// match reports whether path fits the pattern, and what the braces stood for.
func (rt route) match(path string) (id string, ok bool) {
	head, tail, wild := strings.Cut(rt.pattern, "{sandbox_id}")
	if !wild {
		return "", path == rt.pattern
	}
	id, ok = strings.CutPrefix(path, head)
	if !ok || !strings.HasSuffix(id, tail) {
		return "", false
	}
	id = strings.TrimSuffix(id, tail)
	return id, id != "" && !strings.Contains(id, "/")
}

// find returns the route of a request. Without one, allow lists the methods of
// the first pattern that fits the path, or is "".
func (s *Server) find(method, path string) (found *route, id, allow string) {
	pattern := ""
	for i := range s.routes {
		rt := &s.routes[i]
		id, ok := rt.match(path)
		if !ok {
			continue
		}
		if rt.method == method {
			return rt, id, ""
		}
		switch pattern {
		case "":
			pattern, allow = rt.pattern, rt.method
		case rt.pattern:
			allow += ", " + rt.method
		}
	}
	return nil, "", allow
}

// worldName is what a pool may be called.
var worldName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

const (
	worldPrefix = "/pools/"
	worldHeader = "X-Cupel-Pool"
	worldQuery  = "pool"
	worldHint   = "use 1 to 64 letters, digits, '.', '_' and '-', the first a letter or digit"
)

// ServeHTTP finds the route, as FastAPI does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{w: w, r: r, caller: door.CallerOf(r.Context())}
	path, named := r.URL.Path, false
	if rest, ok := strings.CutPrefix(path, worldPrefix); ok {
		var inner string
		c.world, inner, _ = strings.Cut(rest, "/")
		path, named = "/"+inner, true
	}
	rt, id, allow := s.find(r.Method, path)
	switch {
	case rt == nil && allow != "":
		w.Header().Set("Allow", allow)
		c.refuse(http.StatusMethodNotAllowed, "Method Not Allowed")
		return
	case rt == nil:
		s.notFound(c, path)
		return
	}
	r.Pattern = rt.method + " " + rt.pattern
	names := slices.Concat(r.Header.Values(worldHeader), r.URL.Query()[worldQuery])
	if named {
		names = append(names, c.world)
	}
	for i, name := range names {
		if !worldName.MatchString(name) {
			c.refuse(http.StatusBadRequest, "pool "+quoted(name)+" is no name: "+worldHint)
			return
		}
		if c.world = name; i > 0 && name != names[0] {
			c.refuse(http.StatusConflict, "pool "+quoted(names[0])+" and "+quoted(name)+" are named at once: name one")
			return
		}
	}
	c.id = id
	rt.handle(s, c)
}

// notFound redirects a path with a slash too many, whatever the method.
func (s *Server) notFound(c *call, path string) {
	if short := strings.TrimRight(path, "/"); path != "/" && short != path {
		if rt, _, allow := s.find(c.r.Method, short); rt != nil || allow != "" {
			c.redirect()
			return
		}
	}
	c.refuse(http.StatusNotFound, "Not Found")
}

// redirect answers 307 with the same address without the slash.
func (c *call) redirect() {
	to := *c.r.URL
	to.Scheme, to.Host = "http", c.r.Host
	if c.r.TLS != nil {
		to.Scheme = "https"
	}
	to.Path, to.RawPath = strings.TrimRight(to.Path, "/"), strings.TrimRight(to.RawPath, "/")
	c.w.Header().Set("Location", to.String())
	c.w.WriteHeader(http.StatusTemporaryRedirect)
}
