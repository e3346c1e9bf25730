package door

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"cupel.dev/cupel"
)

// Wrap returns a handler that checks each request, as the package says, before
// next sees it, and writes it down afterwards. What is refused, by a check or
// because next panicked, is written by refuse. Next finds the caller with
// CallerOf, and a body that ends with an error for BodyError.
//
// The ResponseWriter that next gets can flush and be hijacked, and unwraps for
// http.ResponseController.
func (d *Door) Wrap(next http.Handler, refuse Refuse) http.Handler {
	return &gate{door: d, next: next, refuse: refuse}
}

// gate is a Door in front of one dialect.
type gate struct {
	door   *Door
	next   http.Handler
	refuse Refuse
}

// exchange is a request and what became of it: all that a request needs of
// memory, in one piece.
type exchange struct {
	began    time.Time
	caller   Caller
	context  callerContext
	response response
	body     body
	// request is what the handler was given, or nil when it never ran.
	request *http.Request
	// route stands in for the handler's pattern when it never ran.
	route string
}

// ServeHTTP lets a request in or refuses it.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d := g.door
	x := &exchange{began: time.Now()}
	deadlines := http.NewResponseController(w)
	x.response = response{ResponseWriter: w, deadlines: deadlines, stall: d.stall}
	x.caller = callerOf(r)
	x.caller.Request = d.ids.of(r.Header.Get("X-Request-Id"))
	w.Header()["X-Request-Id"] = []string{x.caller.Request}

	running := d.inFlight.Add(1)
	defer func() { g.leave(x, r, recover()) }()

	x.context = callerContext{Context: r.Context(), caller: &x.caller}
	inner := r.WithContext(&x.context)
	if hasBody(r) {
		x.body = body{from: http.MaxBytesReader(w, r.Body, d.maxBody), deadline: deadlines, stall: d.stall}
		inner.Body = &x.body
		// For those who answer without reading it; the first Read starts anew.
		x.body.drain()
	}
	if !g.admit(x, inner, running) {
		return
	}
	x.request = inner
	g.next.ServeHTTP(&x.response, inner)
}

// admit answers the request itself, and returns false, unless the handler may
// have it.
func (g *gate) admit(x *exchange, r *http.Request, running int64) bool {
	d, w := g.door, &x.response
	x.route = "refused"
	if running > d.maxRequests {
		w.Header().Set("Retry-After", "1")
		return g.turnAway(w, r, http.StatusServiceUnavailable, "too many requests at once: try again in a second")
	}
	if d.keys.open() {
		if reason := d.names.check(r); reason != "" {
			return g.turnAway(w, r, http.StatusMisdirectedRequest, reason)
		}
	}
	if len(d.origins.allowed) > 0 {
		w.Header()["Vary"] = varyOrigin
	}
	origin, reason := d.origins.check(r)
	if reason != "" {
		return g.turnAway(w, r, http.StatusForbidden, reason)
	}
	if origin != "" {
		preflight := isPreflight(r)
		d.origins.allow(w.Header(), origin, preflight)
		if preflight {
			x.route = "preflight"
			w.WriteHeader(http.StatusNoContent)
			return false
		}
	}
	if !d.keys.open() {
		name, ok := d.keys.name(secretOf(r))
		if !ok {
			w.Header().Set("WWW-Authenticate", "Bearer")
			return g.turnAway(w, r, http.StatusUnauthorized, "Unauthorized")
		}
		x.caller.Key = name
	}
	return g.admitBody(w, r)
}

// admitBody checks what is announced of the body.
func (g *gate) admitBody(w http.ResponseWriter, r *http.Request) bool {
	if !hasBody(r) {
		return true
	}
	if g.door.keys.open() {
		if reason := simpleBody(r.Header); reason != "" {
			return g.turnAway(w, r, http.StatusUnsupportedMediaType, reason)
		}
	}
	if most := g.door.maxBody; r.ContentLength > most {
		return g.turnAway(w, r, http.StatusRequestEntityTooLarge,
			fmt.Sprintf("the body has %d bytes, more than the %d that this server takes", r.ContentLength, most))
	}
	return true
}

func (g *gate) turnAway(w http.ResponseWriter, r *http.Request, status int, message string) bool {
	g.refuse(w, r, status, message)
	return false
}

// leave ends a request: answers for a handler that panicked, and writes down
// what happened.
func (g *gate) leave(x *exchange, r *http.Request, panicked any) {
	d := g.door
	// Whatever happens below, the request is written down and counted out.
	defer d.inFlight.Add(-1)
	defer d.record(x, r)
	err, _ := panicked.(error)
	abort := errors.Is(err, http.ErrAbortHandler)
	if panicked != nil && !abort {
		d.log.LogAttrs(r.Context(), slog.LevelError, "panic",
			slog.String("request", x.caller.Request), slog.String("method", r.Method), slog.String("path", shownPath(r.URL)),
			slog.Any("panic", panicked), slog.String("stack", string(debug.Stack())))
		abort = !g.apologize(x, r)
	}
	if abort {
		// The client must not take what it has for the whole.
		x.response.aborted = true
		panic(http.ErrAbortHandler)
	}
	if x.body.from != nil {
		x.body.drain()
	}
	x.response.extend(0)
}

// apologize answers 500 unless something was answered already.
func (g *gate) apologize(x *exchange, r *http.Request) bool {
	w := &x.response
	if w.status != 0 || w.hijacked {
		return false
	}
	// What the handler said of its answer is not true of this one.
	for name := range w.Header() {
		switch name {
		case "X-Request-Id", "Vary", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers":
		default:
			w.Header().Del(name)
		}
	}
	g.refuse(w, r, http.StatusInternalServerError,
		"the server made a mistake; its log has more under the request id "+x.caller.Request)
	return true
}

// RetryAfter sets the header Retry-After when the same request may succeed
// later, here or at this server's successor: for errors of kind Exhausted,
// Unavailable and Closed.
func RetryAfter(w http.ResponseWriter, err error) {
	switch cupel.KindOf(err) {
	case cupel.Exhausted, cupel.Unavailable, cupel.Closed:
		w.Header().Set("Retry-After", "1")
	}
}

// callerContext is a request's context that knows who sent it.
type callerContext struct {
	context.Context
	caller *Caller
}

// Value returns the caller, or what the context around has.
func (c *callerContext) Value(key any) any {
	if _, is := key.(callerKey); is {
		return c.caller
	}
	return c.Context.Value(key)
}

// callerOf says who sent the request as far as its connection tells.
func callerOf(r *http.Request) Caller {
	if c, ok := r.Context().Value(connectionKey{}).(*Caller); ok {
		return *c
	}
	c := Caller{Peer: r.RemoteAddr, Address: withoutItsPort(r.RemoteAddr)}
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		c.Local = local.String()
	}
	return c
}

func withoutItsPort(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}
