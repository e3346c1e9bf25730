package door

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"time"
)

// response is a ResponseWriter that remembers what was sent, and gives up on a
// client that takes nothing of it. It has no ReadFrom, so that a long copy is
// many writes, each with a time of its own.
type response struct {
	http.ResponseWriter
	deadlines *http.ResponseController
	stall     time.Duration

	status   int // 0: nothing sent yet
	bytes    int64
	hijacked bool
	aborted  bool
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader remembers the final status; informational ones come before it.
func (w *response) WriteHeader(status int) {
	switch {
	case status < 200 && status != http.StatusSwitchingProtocols:
		// It is sent at once.
		w.extend(0)
	case w.status == 0:
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write writes on; the status is 200 unless it was said.
func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.extend(int64(len(p)))
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// extend allows the client a time to take the next n bytes.
func (w *response) extend(n int64) {
	if !w.hijacked {
		// A writer that knows no deadlines, as a test's, has none.
		_ = w.deadlines.SetWriteDeadline(time.Now().Add(allowance(w.stall, n)))
	}
}

// Flush sends what was written so far.
func (w *response) Flush() { _ = w.FlushError() }

// FlushError is Flush, saying whether it worked.
func (w *response) FlushError() error {
	w.extend(0)
	err := w.deadlines.Flush()
	if w.status == 0 && !errors.Is(err, http.ErrNotSupported) {
		w.status = http.StatusOK
	}
	return err
}

// Hijack hands the connection over.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := w.deadlines.Hijack()
	w.hijacked = w.hijacked || err == nil
	return conn, rw, err
}
