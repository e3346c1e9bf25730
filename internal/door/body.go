package door

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"time"
)

// minRate is how many bytes a second a client must move, Config.Stall apart.
const minRate = 32 << 10

// allowance is how long n bytes may take.
func allowance(stall time.Duration, n int64) time.Duration {
	return stall + time.Duration(n)*(time.Second/minRate)
}

// drainTime is how long a client may take for what the handler did not read of
// a body, of which net/http reads a little to use the connection again.
const drainTime = 5 * time.Second

// hasBody reports whether the client announced a body.
func hasBody(r *http.Request) bool {
	return r.ContentLength != 0 && r.Body != nil && r.Body != http.NoBody
}

// simpleBody returns why a body is refused on a keyless server, or "": any web
// page can send these types without asking first.
func simpleBody(h http.Header) string {
	types := h["Content-Type"]
	if len(types) == 1 {
		if types[0] == "application/json" {
			return ""
		}
		// With a bad parameter the type itself is known still.
		media, _, err := mime.ParseMediaType(types[0])
		switch {
		case err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter):
		case media == "text/plain", media == "application/x-www-form-urlencoded", media == "multipart/form-data":
		default:
			return ""
		}
	}
	return "a body needs one Content-Type, and not one that every web page can send: " +
		"use application/json for JSON, application/x-tar for an archive"
}

// body is a request's body. Its clock runs while it is read, not while the
// handler works.
type body struct {
	from     io.ReadCloser
	deadline *http.ResponseController
	stall    time.Duration
	began    time.Time
	received int64
	// ended says that there is no more: net/http watches the connection now,
	// with a deadline of its own, or is about to close it.
	ended bool
}

// Read reads on; a client that is too slow fails it.
func (b *body) Read(p []byte) (int, error) {
	if b.began.IsZero() {
		b.began = time.Now()
	}
	if !b.ended {
		// A writer that knows no deadlines, as a test's, has none.
		_ = b.deadline.SetReadDeadline(b.began.Add(allowance(b.stall, b.received)))
	}
	n, err := b.from.Read(p)
	b.received += int64(n)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		b.ended = true
	default:
		// After a body that is too long there is more to come, for a while.
		var long *http.MaxBytesError
		b.ended = !errors.As(err, &long)
		err = &readError{err}
	}
	return n, err
}

// Close closes the body.
func (b *body) Close() error { return b.from.Close() }

// drain bounds the time for what was not read, well below what writing may take:
// the answer is sent after it.
func (b *body) drain() {
	if !b.ended {
		_ = b.deadline.SetReadDeadline(time.Now().Add(min(b.stall/2, drainTime)))
	}
}

// readError is a failure to read a body: the client's or the connection's.
type readError struct{ err error }

func (e *readError) Error() string { return "read the request's body: " + e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

// BodyError returns the answer to a failure to read a request's body: 413 for
// one that is too long, 408 for one that comes too slowly, 400 for one that
// ends early or is badly framed. For any other error, which is not about
// reading, the status is 0.
func BodyError(err error) (status int, message string) {
	var read *readError
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is longer than the %d bytes that this server takes", long.Limit)
	case !errors.As(err, &read):
		return 0, ""
	case errors.Is(err, os.ErrDeadlineExceeded):
		return http.StatusRequestTimeout, "the body came too slowly: send it again"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return http.StatusBadRequest, "the body ended before its announced end"
	}
	return http.StatusBadRequest, "the body could not be read: " + read.err.Error()
}
