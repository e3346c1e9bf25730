package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/api"
)

const (
	// firstWait is the most that the first wait is drawn from; each later one
	// has twice as much, up to mostWait.
	firstWait = 100 * time.Millisecond
	mostWait  = 5 * time.Second
	// mostAsked is the most of a Retry-After that is honoured.
	mostAsked = 30 * time.Second
	// mostError is how much of an error's body is read.
	mostError = 1 << 20
)

// request is one call of the API.
type request struct {
	method, path string
	query        url.Values
	// json is the body, or tar.
	json []byte
	tar  io.Reader
	// accept is what the answer should be. Default JSON.
	accept string
}

// send sends a request, again as long as that is safe, and returns an answer
// that is 2xx; the caller closes its body. Every other answer is an error.
func (c *Client) send(ctx context.Context, req request) (*http.Response, error) {
	for n := 0; ; n++ {
		resp, err := c.sendOnce(ctx, req)
		if err == nil && resp.StatusCode/100 == 2 {
			return resp, nil
		}
		asked, again := mayRepeat(req.method, resp, err)
		if err != nil {
			err = c.unreachable(ctx, err)
		} else {
			err = c.refusal(resp)
			resp.Body.Close()
		}
		if !again || n >= c.cfg.Retries || ctx.Err() != nil || !req.rewind() {
			return nil, err
		}
		if !sleep(ctx, asked+rand.N(min(firstWait<<min(n, 16), mostWait))) {
			return nil, canceled(ctx)
		}
	}
}

func (c *Client) sendOnce(ctx context.Context, req request) (*http.Response, error) {
	target := c.base.String() + req.path
	if len(req.query) > 0 {
		target += "?" + req.query.Encode()
	}
	var body io.Reader
	media := ""
	switch {
	case req.tar != nil:
		// Hidden, so that the transport doesn't close what is the caller's.
		body, media = struct{ io.Reader }{req.tar}, "application/x-tar"
	case req.json != nil:
		body, media = bytes.NewReader(req.json), "application/json"
	}
	r, err := http.NewRequestWithContext(ctx, req.method, target, body)
	if err != nil {
		return nil, err
	}
	if media != "" {
		r.Header.Set("Content-Type", media)
	}
	accept := req.accept
	if accept == "" {
		accept = "application/json"
	}
	r.Header.Set("Accept", accept)
	if c.cfg.Key != "" {
		r.Header.Set("X-API-Key", c.cfg.Key)
	}
	return c.http.Do(r)
}

// rewind makes the body ready to be sent again, if it can be.
func (r *request) rewind() bool {
	if r.tar == nil {
		return true
	}
	seeker, ok := r.tar.(io.Seeker)
	if !ok {
		return false
	}
	_, err := seeker.Seek(0, io.SeekStart)
	return err == nil
}

// mayRepeat reports whether a request that failed, by an answer or by err, may
// be sent again, and how long the server asked to wait.
func mayRepeat(method string, resp *http.Response, err error) (asked time.Duration, again bool) {
	if err != nil {
		return 0, method == http.MethodGet || neverSent(err)
	}
	after := strings.TrimSpace(resp.Header.Get("Retry-After"))
	asked = wait(after)
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return asked, after != "" || method == http.MethodGet
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return asked, method == http.MethodGet
	}
	return 0, false
}

// wait reads a Retry-After: seconds, or a date.
func wait(after string) time.Duration {
	d := time.Duration(0)
	if seconds, err := strconv.Atoi(after); err == nil {
		d = time.Duration(min(seconds, int(mostAsked/time.Second))) * time.Second
	} else if at, err := http.ParseTime(after); err == nil {
		d = time.Until(at)
	}
	return max(0, min(d, mostAsked))
}

// neverSent reports whether no connection could be made.
func neverSent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// unreachable is the error for a request that got no answer.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return canceled(ctx)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // its text has the whole URL
	}
	return cupel.Errorf(cupel.Unavailable, "", "no answer from the server at %s: %w", c.base.Redacted(), err).
		WithHint("is cupel server running there?")
}

// kinds are all that an answer may name.
var kinds = []cupel.Kind{
	cupel.Invalid, cupel.NotFound, cupel.Exists, cupel.Unavailable, cupel.Unsupported,
	cupel.Exhausted, cupel.Closed, cupel.Canceled, cupel.Internal,
}

// refusal is the error that an answer says. One that is not the API's own, a
// proxy's for example, gets its kind from the status.
func (c *Client) refusal(resp *http.Response) error {
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, mostError))
	var doc api.Error
	if json.Unmarshal(raw, &doc) == nil && slices.Contains(kinds, doc.Error.Kind) {
		err := doc.Error.Cupel()
		if resp.StatusCode == http.StatusUnauthorized && err.Hint == "" {
			err = err.WithHint("give the server's key as Config.Key")
		}
		return err
	}
	kind := cupel.Unavailable
	switch {
	case resp.StatusCode == http.StatusNotFound:
		kind = cupel.NotFound
	case resp.StatusCode == http.StatusTooManyRequests:
		kind = cupel.Exhausted
	case resp.StatusCode >= 400 && resp.StatusCode < 500:
		kind = cupel.Invalid
	}
	return &cupel.Error{Kind: kind, Hint: "is it a cupel server?",
		Err: fmt.Errorf("the server at %s answered %s", c.base.Redacted(), resp.Status)}
}
