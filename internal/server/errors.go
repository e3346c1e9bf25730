package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"cupel.dev/cupel"
	"cupel.dev/cupel/api"
	"cupel.dev/cupel/internal/door"
)

// statusClientGone is what nginx writes down for a caller that went away; it
// never arrives.
const statusClientGone = 499

// statuses is the one table of kinds to HTTP. Unsupported is 422 and not 501:
// this very request can't be honoured, which is no failure that an operator's
// alarms should count, and proxies retry what begins with 5.
var statuses = map[cupel.Kind]int{
	cupel.Invalid:     http.StatusBadRequest,
	cupel.NotFound:    http.StatusNotFound,
	cupel.Exists:      http.StatusConflict,
	cupel.Unsupported: http.StatusUnprocessableEntity,
	cupel.Exhausted:   http.StatusTooManyRequests,
	cupel.Unavailable: http.StatusServiceUnavailable,
	cupel.Closed:      http.StatusServiceUnavailable,
	cupel.Canceled:    statusClientGone,
	cupel.Internal:    http.StatusInternalServerError,
}

// withStatus is an error whose status is not its kind's.
type withStatus struct {
	status int
	error
}

func (e withStatus) Unwrap() error { return e.error }

// begun is an error after which a program may have run: the caller is not
// asked to send the request again.
type begun struct{ error }

func (e begun) Unwrap() error { return e.error }

// forbidden is the error for what the operator's policy doesn't let in. It is
// kind Unsupported: another server may do it.
func forbidden(setting, format string, args ...any) error {
	err := cupel.Errorf(cupel.Unsupported, "", format, args...)
	return withStatus{http.StatusForbidden, err.WithHint("what opens it is the server's setting %s", setting)}
}

// statusOf is the HTTP status for err.
func statusOf(err error) int {
	if e, ok := errors.AsType[withStatus](err); ok {
		return e.status
	}
	if status, ok := statuses[cupel.KindOf(err)]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// told is err as its caller is told it. What reads a body says best why it
// can't be read, and a program that was cancelled though its caller waits was
// ended by a close.
func told(ctx context.Context, err error) error {
	if status, message := door.BodyError(err); status != 0 {
		return withStatus{status, cupel.Errorf(cupel.Invalid, "", "%s", message)}
	}
	if cupel.KindOf(err) != cupel.Canceled {
		return err
	}
	switch {
	case errors.Is(context.Cause(ctx), errClosing):
		return errClosing
	case ctx.Err() == nil:
		return cupel.Errorf(cupel.Closed, "", "the sandbox or the server was closed meanwhile")
	}
	return err
}

// refuse answers with an error.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	s.refuseWith(w, r, err, nil)
}

// refuseWith is refuse with what was seen of a program.
func (s *Server) refuseWith(w http.ResponseWriter, r *http.Request, err error, seen *api.Result) {
	_, started := errors.AsType[begun](err)
	err = told(r.Context(), err)
	status := statusOf(err)
	if status == http.StatusInternalServerError {
		s.cfg.Log.Error("request failed", "request", door.CallerOf(r.Context()).Request, "path", r.URL.Path, "error", err)
	}
	if !started {
		door.RetryAfter(w, err)
	}
	doc := api.NewError(err)
	doc.Result = seen
	writeJSON(w, status, doc)
}

// Refuse writes what the door refuses in the form of this API.
func Refuse(w http.ResponseWriter, _ *http.Request, status int, message string) {
	kind := cupel.Invalid
	switch {
	case status == http.StatusNotFound:
		kind = cupel.NotFound
	case status == http.StatusTooManyRequests:
		kind = cupel.Exhausted
	case status == http.StatusServiceUnavailable:
		kind = cupel.Unavailable
	case status >= http.StatusInternalServerError:
		kind = cupel.Internal
	}
	writeJSON(w, status, api.Error{Error: api.Failure{Kind: kind, Message: message}})
}

// writeJSON answers with a document. A caller that went away is not told.
func writeJSON(w http.ResponseWriter, status int, doc any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(doc)
}
