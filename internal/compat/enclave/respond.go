package enclave

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/door"
	"cupel.dev/cupel/internal/wire/enclave"
	"cupel.dev/cupel/service"
)

// Refuse writes a refusal in the protocol's form.
func Refuse(w http.ResponseWriter, r *http.Request, status int, message string) {
	write(w, r, status, enclave.Refusal{Detail: message})
}

func write(w http.ResponseWriter, r *http.Request, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		// Nothing that is answered can fail so; say it rather than lie.
		status, body = http.StatusInternalServerError, []byte(`{"detail":"the answer could not be written as JSON"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that is gone has nobody to tell
	}
}

func (c *call) answer(v any)                      { write(c.w, c.r, http.StatusOK, v) }
func (c *call) refuse(status int, message string) { Refuse(c.w, c.r, status, message) }

// invalid answers 422 when there are problems.
func (c *call) invalid(req *enclave.Request) bool {
	problems := req.Problems()
	if len(problems) == 0 {
		return false
	}
	write(c.w, c.r, http.StatusUnprocessableEntity, enclave.Invalid{Detail: problems})
	return true
}

// fail answers with what an error means: 4xx is the request's, 429 and 503 may
// be tried again, 500 is a bug or a broken machine.
func (c *call) fail(err error, prefix string) {
	door.RetryAfter(c.w, err)
	c.refuse(statusOf(err), prefix+explain(err))
}

func statusOf(err error) int {
	switch kind := cupel.KindOf(err); {
	case errors.Is(err, service.ErrWaited):
		return http.StatusRequestTimeout
	case kind == cupel.Exhausted:
		return http.StatusTooManyRequests
	case kind == cupel.Unavailable, kind == cupel.Closed, kind == cupel.Canceled:
		return http.StatusServiceUnavailable
	case kind == cupel.Internal:
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}

// explain is an error for people, with the hint that it has.
func explain(err error) string {
	text := err.Error()
	if hint := cupel.HintOf(err); hint != "" && !strings.Contains(text, hint) {
		text += " (" + hint + ")"
	}
	return text
}

func quoted(s string) string { return strconv.Quote(clip(s)) }

// clip keeps an absurd text out of messages.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// body reads the whole body, or answers and returns false.
func (c *call) body() ([]byte, bool) {
	if c.r.Body == nil || c.r.Body == http.NoBody {
		return nil, true
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxJSON))
	if err == nil {
		return body, true
	}
	status, message := door.BodyError(err)
	if status == 0 {
		status, message = http.StatusBadRequest, enclave.ErrNotText.Error()
	}
	c.refuse(status, message)
	return nil, false
}

// isJSON reports whether the body is declared as JSON, as FastAPI sees it.
func (c *call) isJSON() bool {
	media, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil && media == "" {
		return false
	}
	sub, ok := strings.CutPrefix(media, "application/")
	return ok && (sub == "json" || strings.HasSuffix(sub, "+json"))
}

// object reads a body that is an object, or answers and returns false.
func (c *call) object(req *enclave.Request, required bool) (enclave.Value, bool) {
	body, ok := c.body()
	if !ok {
		return nil, false
	}
	v, err := req.Object(body, c.isJSON(), required)
	if err != nil {
		c.refuse(http.StatusBadRequest, err.Error())
		return nil, false
	}
	return v, !c.invalid(req)
}

// say logs what an operator reads on the console.
func (s *Server) say(level slog.Level, c *call, message string, attrs ...slog.Attr) {
	attrs = append(attrs, slog.String("request", c.caller.Request))
	s.cfg.Log.LogAttrs(c.r.Context(), level, message, attrs...)
}
