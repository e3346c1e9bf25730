package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"cupel.dev/cupel"
	"cupel.dev/cupel/api"
)

// heartbeat is how often a stream on which nothing happens says that it lives.
const heartbeat = 15 * time.Second

// wantsStream reports whether the caller asks for events.
func wantsStream(r *http.Request) (bool, error) {
	if q := r.URL.Query(); q.Has("stream") {
		switch v := q.Get("stream"); v {
		case "1", "true":
			return true, nil
		case "0", "false":
			return false, nil
		default:
			return false, cupel.Invalidf("query parameter stream", v, "write 1 or 0")
		}
	}
	return strings.Contains(r.Header.Get("Accept"), "text/event-stream"), nil
}

// stream writes server-sent events. It begins with the first event, so that
// what is refused before has its own status; from then on an error is an event.
type stream struct {
	w    http.ResponseWriter
	lost context.CancelCauseFunc

	mu    sync.Mutex
	begun bool
	err   error
	// last is when something was sent.
	last time.Time
}

// answerStream is answer with events.
func (s *Server) answerStream(w http.ResponseWriter, r *http.Request, p *program, lend lend) error {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	st := &stream{w: w, lost: cancel, last: time.Now()}
	stdout, stderr := &pipe{stream: st, event: api.EventStdout}, &pipe{stream: st, event: api.EventStderr}
	beating := make(chan struct{})
	go func() {
		defer close(beating)
		st.beat(ctx)
	}()
	out, err := s.execute(ctx, p, lend, stdout, stderr)
	stdout.flush()
	stderr.flush()
	// A heartbeat after this handler's end would write to what isn't there.
	cancel(nil)
	<-beating
	doc := s.result(out, nil, nil)
	switch {
	case err == nil:
		st.send(api.EventResult, doc)
	case !st.begun:
		return err
	default:
		e := api.NewError(told(r.Context(), err))
		if cupel.KindOf(err) == cupel.Canceled {
			doc.Status = ""
			e.Result = doc
		}
		st.send(api.EventError, e)
	}
	return nil
}

// beat sends a comment where nothing was sent for long.
func (st *stream) beat(ctx context.Context) {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		st.mu.Lock()
		if time.Since(st.last) >= heartbeat {
			st.write(": alive\n\n")
		}
		st.mu.Unlock()
	}
}

func (st *stream) send(event string, doc any) {
	data, err := json.Marshal(doc)
	if err != nil {
		data, event = []byte(`{}`), api.EventError // no document of ours fails
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.write(fmt.Sprintf("event: %s\ndata: %s\n\n", event, data))
}

// write sends text at once. A caller that doesn't take it loses its program.
// st.mu is held.
func (st *stream) write(text string) {
	if st.err != nil {
		return
	}
	if !st.begun {
		st.begun = true
		h := st.w.Header()
		h.Set("Content-Type", "text/event-stream")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Accel-Buffering", "no")
		st.w.WriteHeader(http.StatusOK)
	}
	_, err := io.WriteString(st.w, text)
	if err == nil {
		err = http.NewResponseController(st.w).Flush()
	}
	if err != nil {
		st.err = err
		st.lost(err)
	}
	st.last = time.Now()
}

// pipe sends one output of a program. It is written by one goroutine at a time.
type pipe struct {
	stream *stream
	event  string
	// half is the start of a character whose end has not come yet.
	half []byte
}

// Write sends p but for a character that it ends in the middle of.
func (o *pipe) Write(p []byte) (int, error) {
	b := append(o.half, p...)
	whole := len(b) - halfRune(b)
	o.half = append([]byte(nil), b[whole:]...)
	if whole > 0 {
		o.stream.send(o.event, api.NewChunk(b[:whole]))
	}
	return len(p), nil
}

func (o *pipe) flush() {
	if len(o.half) > 0 {
		o.stream.send(o.event, api.NewChunk(o.half))
		o.half = nil
	}
}

// halfRune returns how many bytes at the end of b may be the start of a
// character.
func halfRune(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if tail := b[len(b)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}
