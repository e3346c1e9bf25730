// Package door is what every front door of the server shares: who calls (named
// keys), how much a request may be (body, headers, time, how many at once),
// what is written down (request ids, an access line, an audit line for each
// execution, metrics), and which web pages are kept out.
//
// A door knows no dialect: what it refuses is written by the dialect's own
// Refuse function. A request is checked in this order, and the first check that
// fails is the answer:
//
//	in flight     503 and Retry-After: more than Config.MaxRequests at once
//	Host          421: a keyless server, called by a name that is not its own
//	origin        403: a web page of another origin
//	preflight     204: a web page of Config.Origins asks what it may send
//	key           401 "Unauthorized", always these words
//	content type  415: a keyless server, and a body as any web page can send
//	length        413: Content-Length above Config.MaxBody
//
// A body that turns out too long, or that comes too slowly, fails while the
// handler reads it: BodyError has the answer to that.
package door

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cupel.dev/cupel"
)

// Refuse writes a refusal in a dialect's own form. Headers such as Retry-After
// and WWW-Authenticate are set already.
type Refuse func(w http.ResponseWriter, r *http.Request, status int, message string)

// The defaults of Config, and what is not configured.
const (
	DefaultMaxBody     = 256 << 20
	DefaultMaxRequests = 4096
	DefaultStall       = 30 * time.Second

	maxHeader     = 32 << 10
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
)

// Config configures a Door. The zero value serves keyless requests.
type Config struct {
	// Keys are who may call. None: everybody who reaches the listener.
	Keys []Key
	// Loopback says that the listener is on a loopback address. A keyless
	// server there refuses requests whose Host is no loopback name or address
	// (DNS rebinding). A keyless server elsewhere refuses only what a web
	// page got over plain HTTP sends to a name that is not in Hosts.
	Loopback bool
	// Hosts are further names that Host may have on a keyless server, without
	// a port: "gpu1.example.org".
	Hosts []string
	// Origins are web origins that CORS lets in, such as
	// "https://example.org". Default none.
	Origins []string
	// MaxBody bounds a request's body in bytes. Default 256 MiB.
	MaxBody int64
	// MaxRequests bounds requests in flight, those that wait included; one
	// more is refused with 503 and Retry-After. Default 4096.
	MaxRequests int
	// Stall is how long a client may send nothing of a body, or take nothing
	// of a response; over a longer time it must move 32 KiB a second. It does
	// not bound how long the handler works in between. Default 30 s.
	Stall time.Duration
	// Log receives access and audit lines. Default: nothing.
	Log *slog.Logger
	// Metrics is where the door's metrics are registered. Default: one of its
	// own.
	Metrics *prometheus.Registry
}

// Key is a caller's name and secret.
type Key struct{ Name, Secret string }

// Caller is who sent a request.
type Caller struct {
	// Key is the name of the key, "" when there are none.
	Key string
	// Address is the peer's IP address without its port.
	Address string
	// Connection tells connections apart: requests that came over the same
	// one have the same number, which is never used again. It is 0 when the
	// server is not one that Door.Server made.
	Connection uint64
	// Peer and Local are the two ends of the connection, as IP:PORT.
	Peer, Local string
	// Request is the request's id.
	Request string
}

// Execution is one program run for a caller: an audit line and a few metrics.
type Execution struct {
	// Door is "enclave", "fusion", "v1".
	Door string
	// Sandbox is its id, Tool the tool's or language's name.
	Sandbox, Tool string
	// Code is what was run; only its SHA-256 is written down. Nil: nothing
	// that has a hash.
	Code []byte
	// Result is what the program did; Err is set instead when the machine
	// failed.
	Result cupel.Result
	Err    error
	// Waited is how long it was queued.
	Waited time.Duration
}

// Door checks, counts and writes down the requests of all dialects of one
// server. It is made by New; its methods may be called at the same time.
type Door struct {
	keys        keyring
	names       hostRule
	origins     originRule
	maxBody     int64
	maxRequests int64
	stall       time.Duration
	log         *slog.Logger
	metrics     *metrics

	ids         requestIDs
	connections atomic.Uint64
	inFlight    atomic.Int64
}

// New makes a Door. The error is of kind Invalid and names what is wrong in
// cfg, never a secret.
func New(cfg Config) (*Door, error) {
	d := &Door{
		maxBody:     cfg.MaxBody,
		maxRequests: int64(cfg.MaxRequests),
		stall:       cfg.Stall,
		log:         cfg.Log,
		ids:         newRequestIDs(),
	}
	if d.maxBody <= 0 {
		d.maxBody = DefaultMaxBody
	}
	if d.maxRequests <= 0 {
		d.maxRequests = DefaultMaxRequests
	}
	if d.stall <= 0 {
		d.stall = DefaultStall
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if d.keys, err = newKeyring(cfg.Keys); err != nil {
		return nil, err
	}
	if d.names, err = newHostRule(cfg.Loopback, cfg.Hosts); err != nil {
		return nil, err
	}
	if d.origins, err = newOriginRule(cfg.Origins); err != nil {
		return nil, err
	}
	if d.metrics, err = newMetrics(cfg.Metrics, &d.inFlight); err != nil {
		return nil, err
	}
	return d, nil
}

// CallerOf returns who sent the request with this context; the zero Caller
// when no Wrap handler did.
func CallerOf(ctx context.Context) Caller {
	if c, ok := ctx.Value(callerKey{}).(*Caller); ok {
		return *c
	}
	return Caller{}
}

type callerKey struct{}
