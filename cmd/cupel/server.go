package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cupel.dev/cupel"
	"cupel.dev/cupel/service"
)

func newServer(a *app) *cobra.Command {
	opts := defaultServerOptions()
	if calledAs("ms-enclave") {
		opts.Port = 8000
	}
	cmd := &cobra.Command{
		Use:     "server [flags]",
		Short:   "Serve sandboxes over HTTP: ms-enclave's protocol and cupel's own",
		GroupID: groupJudge,
		Long: `Serve sandboxes to clients on this machine or others. Clients written for ms-enclave, such
as EvalScope, work unmodified: point base_url here. Cupel's own API is below /v1; both
are described at /docs, /openapi.json and /v1/openapi.json, metrics are at /metrics.

Everything is closed by default: only this machine can connect, programs have no network,
no host directory can be mounted, and an image name means nothing until --image says so.
--host 0.0.0.0 lets others in; give them keys with --api-keys.

SIGTERM ends the server: it refuses new work, lets running programs end (--drain) and
exits with 0. Called as ms-enclave it listens on that program's port, 8000.`,
		Example: `  cupel server --image 'python:3.11-slim=host'
  cupel server --host 0.0.0.0 --api-keys keys.txt --image '*=tar:/images/python.tar'
  CUPEL_API_KEY=… cupel server --config server.yaml`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.read(cmd.Flags()); err != nil {
				return refused{err}
			}
			return a.runServer(cmd.Context(), opts)
		},
	}
	opts.addFlags(cmd.Flags())
	suggest(cmd, "doors", doors...)
	suggest(cmd, "network", string(cupel.NetworkNone), string(cupel.NetworkHost))
	return cmd
}

// calledAs reports whether this binary was started under another name.
func calledAs(name string) bool { return filepath.Base(os.Args[0]) == name }

// runServer serves until ctx ends, then drains.
func (a *app) runServer(ctx context.Context, opts serverOptions) (err error) {
	log := opts.logger(a)
	svc := opts.service(log)
	h, err := opts.house(svc, log)
	if err != nil {
		return refused{errors.Join(err, svc.Close())}
	}
	defer func() {
		late, stop := context.WithTimeout(context.Background(), time.Second)
		defer stop()
		err = errors.Join(err, h.Close(), svc.Shutdown(late))
	}()
	l, err := net.Listen("tcp", net.JoinHostPort(strings.Trim(opts.Host, "[]"), strconv.Itoa(opts.Port)))
	if err != nil {
		return cupel.Errorf(cupel.Unavailable, "listen", "%w", err).
			WithHint("is another server running? --port 0 picks a free port")
	}
	opts.announce(a, log, l.Addr().String(), len(h.keys) > 0)
	return serve(ctx, h.door.Server(h), l, opts.Drain, log)
}

// serve serves l until ctx ends; then requests under way have drain to end.
func serve(ctx context.Context, server *http.Server, l net.Listener, drain time.Duration, log *slog.Logger) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return cupel.Errorf(cupel.Internal, "serve", "%w", err)
	case <-ctx.Done():
	}
	log.Info("Server is shutting down", "cause", context.Cause(ctx), "drain", drain)
	late, stop := context.WithTimeout(context.Background(), drain)
	defer stop()
	if err := server.Shutdown(late); err != nil {
		log.Warn("Requests were still running and are cut off", "error", err)
		_ = server.Close()
	}
	return nil
}

// announce says where the server is, in the words that scripts and people
// wait for, and warns of what is open.
func (o *serverOptions) announce(a *app, log *slog.Logger, address string, keyed bool) {
	url := "http://" + address
	log.Info("Starting Sandbox Server...")
	log.Info("API docs: " + url + "/docs")
	log.Info("Health check: " + url + "/health")
	if !loopback(o.Host) && !keyed {
		log.Warn("ANYBODY WHO REACHES " + address + " CAN RUN PROGRAMS HERE: no key is needed. " +
			"To ask for one: cupel server --host " + o.Host + " --api-keys FILE, with a line such as: alice $(openssl rand -hex 32)")
	}
	if n := len(o.APIKey); n > 0 && n < 16 {
		log.Warn("The key is short enough to be guessed: give it 16 characters or more")
	}
	if o.Network == string(cupel.NetworkHost) {
		log.Warn("Programs have the host's network (--network host)")
	}
	if o.HostNetwork {
		log.Warn("Clients may ask for the host's network (--host-network)")
	}
	if o.Privileges == string(cupel.PrivilegesContainer) {
		log.Warn("Programs have Docker's default capabilities in their own user namespace (--privileges container)")
	}
	if len(o.Volumes) > 0 {
		log.Warn("Clients may mount host directories", "below", strings.Join(o.Volumes, ", "))
	}
	a.notef("serving %s (doors: %s)", url, strings.Join(o.Doors, ", "))
}

// logger writes to stderr, for people or for machines.
func (o *serverOptions) logger(a *app) *slog.Logger {
	level := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warning": slog.LevelWarn, "error": slog.LevelError, "critical": slog.LevelError,
	}[o.LogLevel]
	options := &slog.HandlerOptions{Level: level}
	if o.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(a.stderr, options))
	}
	return slog.New(slog.NewTextHandler(a.stderr, options))
}

// service is where all doors' programs run.
func (o *serverOptions) service(log *slog.Logger) *service.Service {
	return newService(service.Config{Programs: o.Concurrency, Queue: o.Queue, PoolIdle: o.IdleTTL, Log: log})
}

// engineRef is the engine that all doors use.
func (o *serverOptions) engineRef() (service.EngineRef, error) {
	name, err := resolveEngine(o.Engine)
	if err != nil {
		return service.EngineRef{}, err
	}
	return service.EngineRef{Name: name, Config: []byte(o.EngineConfig)}, nil
}

// refuseOpen is the error where --require-key holds the server back.
func (o *serverOptions) refuseOpen() error {
	return cupel.Errorf(cupel.Invalid, "", "--host %s lets others in and no key is set", o.Host).
		WithHint("add --api-keys FILE, or listen on 127.0.0.1, or leave --require-key out")
}
