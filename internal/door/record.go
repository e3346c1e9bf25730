package door

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cupel.dev/cupel"
)

// statusGone is written down, never sent: the client left before an answer.
const statusGone = 499

// record counts a request and writes its access line.
func (d *Door) record(x *exchange, r *http.Request) {
	took := time.Since(x.began)
	status := x.response.status
	switch {
	case status != 0:
	case x.response.hijacked:
		status = http.StatusSwitchingProtocols
	case x.response.aborted:
		status = http.StatusInternalServerError
	case r.Context().Err() != nil:
		status = statusGone
	default:
		status = http.StatusOK
	}
	route := x.route
	if x.request != nil {
		route = routeOf(x.request.Pattern)
	}
	d.metrics.request(r.Method, route, status, took)
	if !d.log.Enabled(r.Context(), slog.LevelInfo) {
		return
	}
	d.log.LogAttrs(r.Context(), slog.LevelInfo, "request",
		slog.String("request", x.caller.Request),
		slog.String("key", x.caller.Key),
		slog.String("address", x.caller.Address),
		slog.String("method", shorten(r.Method)),
		slog.String("path", shownPath(r.URL)),
		slog.Int("status", status),
		slog.Int64("bytes", x.response.bytes),
		slog.Float64("ms", milliseconds(took)))
}

// Executed writes down that a program ran, or should have, for the caller that
// ctx knows: an audit line and metrics.
func (d *Door) Executed(ctx context.Context, e Execution) {
	status := string(e.Result.Status)
	if e.Err != nil {
		status = "error"
	}
	d.metrics.execution(e, status)
	if !d.log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	caller := CallerOf(ctx)
	attrs := make([]slog.Attr, 0, 16)
	attrs = append(attrs,
		slog.String("request", caller.Request),
		slog.String("door", e.Door),
		slog.String("key", caller.Key),
		slog.String("sandbox", e.Sandbox),
		slog.String("tool", shorten(e.Tool)))
	if e.Code != nil {
		sum := sha256.Sum256(e.Code)
		attrs = append(attrs, slog.String("code_sha256", hex.EncodeToString(sum[:])))
	}
	attrs = append(attrs, slog.String("status", status))
	if e.Err != nil {
		attrs = append(attrs,
			slog.String("kind", string(cupel.KindOf(e.Err))),
			slog.String("error", shorten(e.Err.Error())))
	} else {
		attrs = append(attrs,
			slog.Any("limits_hit", append([]cupel.LimitName{}, e.Result.LimitsHit...)),
			slog.Float64("wall_ms", milliseconds(e.Result.Usage.Wall)),
			slog.Float64("cpu_ms", milliseconds(e.Result.Usage.CPUUser+e.Result.Usage.CPUSys)),
			slog.Int64("memory_peak", int64(e.Result.Usage.MemoryPeak)))
	}
	attrs = append(attrs, slog.Float64("waited_ms", milliseconds(e.Waited)))
	d.log.LogAttrs(ctx, slog.LevelInfo, "execution", attrs...)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// shownPath is a request's path as it is written down, with the names of its
// query parameters. Their values may be keys, and are not shown.
func shownPath(u *url.URL) string {
	path := shorten(u.Path)
	// A query that was begun with & and not with ?.
	if before, _, found := strings.Cut(path, "api_key="); found {
		path = before + "api_key=REDACTED"
	}
	if u.RawQuery == "" {
		return path
	}
	var b strings.Builder
	b.WriteString(path)
	separator := byte('?')
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		b.WriteByte(separator)
		separator = '&'
		name, _, named := strings.Cut(pair, "=")
		// What has no plain name may be a value.
		if named && isToken(name) {
			b.WriteString(name)
			b.WriteByte('=')
		}
		b.WriteString("REDACTED")
		if b.Len() > maxShown {
			break
		}
	}
	return shorten(b.String())
}

// maxShown bounds what a client chose in a log line.
const maxShown = 512

func shorten(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return s[:maxShown] + "…"
}
