package remote

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/wire/enclave"
)

// A request is made again up to maxRetries times: a safe one whatever went
// wrong on the way, any other only when it was provably not begun.
const (
	maxRetries = 3
	firstPause = 100 * time.Millisecond
	maxPause   = 30 * time.Second
)

// retry says whether a request may be made again, and when at the earliest.
type retry struct {
	allowed bool
	after   time.Duration
}

// delay doubles with each try, with full jitter.
func (r retry) delay(try int) time.Duration {
	most := min(firstPause<<try, maxPause)
	return r.after + rand.N(most) + time.Millisecond
}

// pause reports whether it was not cut short.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func canceled(ctx context.Context, op string) error {
	kind := cupel.Canceled
	if cupel.KindOf(context.Cause(ctx)) == cupel.Closed {
		kind = cupel.Closed
	}
	return &cupel.Error{Kind: kind, Op: op, Err: context.Cause(ctx)}
}

// transportError is for a request without an answer.
func (s *server) transportError(ctx context.Context, r request, err error) (retry, error) {
	if ctx.Err() != nil {
		return retry{}, canceled(ctx, r.op)
	}
	if source, ok := errors.AsType[*sourceError](err); ok {
		return retry{}, cupel.Errorf(cupel.Internal, r.op, "%w", source.err)
	}
	e := cupel.Errorf(cupel.Unavailable, r.op, "no answer from the sandbox server: %w", err)
	if errors.Is(err, context.DeadlineExceeded) {
		return retry{allowed: r.safe}, e.WithHint("the server at base_url %s does not answer in time; is it overloaded? timeout raises the limit", s.base)
	}
	dial, ok := errors.AsType[*net.OpError](err)
	notBegun := errors.Is(err, syscall.ECONNREFUSED) || ok && dial.Op == "dial"
	return retry{allowed: r.safe || notBegun}, e.WithHint("is a server running at base_url %s? start one with: cupel server, or ms-enclave server", s.base)
}

// sourceError marks that a body could not be read, which is no fault of the
// server's.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }

// refusalKinds are what statuses mean; others are read by their class.
var refusalKinds = map[int]cupel.Kind{
	http.StatusBadRequest:            cupel.Invalid,
	http.StatusUnauthorized:          cupel.Invalid,
	http.StatusForbidden:             cupel.Invalid,
	http.StatusNotFound:              cupel.NotFound,
	http.StatusRequestTimeout:        cupel.Unavailable,
	http.StatusRequestEntityTooLarge: cupel.Invalid,
	http.StatusUnprocessableEntity:   cupel.Invalid,
	http.StatusTooManyRequests:       cupel.Exhausted,
	http.StatusNotImplemented:        cupel.Unsupported,
}

// refusal is for an answer other than 200.
func (s *server) refusal(r request, resp *http.Response, body []byte) (retry, error) {
	detail := detailOf(body)
	kind, known := refusalKinds[resp.StatusCode]
	if !known && resp.StatusCode < 500 || resp.StatusCode == http.StatusNotFound && !wordsOfTheServer(body) {
		return retry{}, notSuchServer(r.op, s.base)
	}
	if !known {
		kind = cupel.Unavailable
	}
	e := cupel.Errorf(kind, r.op, "the sandbox server says %d: %s", resp.StatusCode, detail)
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return retry{}, e.WithHint("give the server's key as api_key")
	case http.StatusBadRequest:
		e.Kind = badRequest(detail)
	case http.StatusInternalServerError:
		if strings.Contains(detail, "Failed to create target directory") {
			e.Kind = cupel.Invalid // something is in the way
			return retry{}, e
		}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return retry{allowed: true, after: retryAfter(resp)}, e // it began nothing
	}
	return retry{allowed: r.safe && kind == cupel.Unavailable}, e
}

// badRequest tells what the original answers alike: it says 400 for whatever
// keeps it from making a sandbox.
func badRequest(detail string) cupel.Kind {
	switch {
	case strings.Contains(detail, "Failed to pull image"), strings.Contains(detail, "No such image"):
		return cupel.NotFound
	case strings.Contains(detail, "validation error"):
		return cupel.Invalid
	case strings.Contains(detail, "Failed to start Docker sandbox"):
		return cupel.Unavailable
	}
	return cupel.Invalid
}

// detailOf is the text of a refusal, or the beginning of whatever came.
func detailOf(body []byte) string {
	var text enclave.Refusal
	if json.Unmarshal(body, &text) == nil && text.Detail != "" {
		return clip(text.Detail)
	}
	var list enclave.Invalid
	if json.Unmarshal(body, &list) == nil && len(list.Detail) > 0 {
		return clip(list.Detail[0].Msg)
	}
	return clip(string(body))
}

// wordsOfTheServer tells a sandbox that isn't there from a route that isn't.
func wordsOfTheServer(body []byte) bool {
	var text enclave.Refusal
	return json.Unmarshal(body, &text) == nil && text.Detail != "" && text.Detail != "Not Found"
}

func notSuchServer(op, base string) error {
	return cupel.Errorf(cupel.Unsupported, op, "what answers at %s is no ms-enclave server", base).
		WithHint("check base_url; it is the address alone, without a path such as /docs")
}

func clip(s string) string {
	const most = 400
	s = strings.ToValidUTF8(strings.TrimSpace(s), "\uFFFD")
	if len(s) > most {
		s = s[:most] + "…"
	}
	return s
}
