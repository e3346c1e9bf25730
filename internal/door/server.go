package door

import (
	"context"
	"log/slog"
	"net"
	"net/http"
)

// Server returns a server of h with the door's bounds on headers and on idle
// and slow connections, whose requests know their connection. Nothing bounds
// how long h works: Wrap bounds how slow a client may be meanwhile.
func (d *Door) Server(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnContext:       d.connection,
		ErrorLog:          slog.NewLogLogger(d.log.Handler(), slog.LevelWarn),
	}
}

type connectionKey struct{}

// connection numbers a connection and keeps who is at its ends: the part of
// Caller that all its requests have in common.
func (d *Door) connection(ctx context.Context, conn net.Conn) context.Context {
	peer := conn.RemoteAddr().String()
	return context.WithValue(ctx, connectionKey{}, &Caller{
		Address:    withoutItsPort(peer),
		Connection: d.connections.Add(1),
		Peer:       peer,
		Local:      conn.LocalAddr().String(),
	})
}
