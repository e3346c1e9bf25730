package enclave

import (
	"net/http"
	"net/netip"
	"slices"

	"cupel.dev/cupel/internal/linux/peer"
)

// links remember which pool a connection uses, and whose process it is.
type links struct {
	connections map[uint64]*link
	order       []uint64
}

// link is one connection. A pool it initialized or used is its pool from then
// on.
type link struct {
	pool    *pool
	process peer.Process
	// looked says that the process was looked up; known that it was found.
	looked, known bool
}

// mostLinks bounds how many connections are remembered; the oldest go first.
const mostLinks = 16384

func (l *links) init() { l.connections = map[uint64]*link{} }

// of returns the link of a connection; 0 is none that is known.
func (l *links) of(connection uint64) *link {
	if connection == 0 {
		return &link{}
	}
	if one := l.connections[connection]; one != nil {
		return one
	}
	if len(l.order) >= mostLinks {
		for _, old := range l.order[:mostLinks/2] {
			delete(l.connections, old)
		}
		l.order = slices.Clone(l.order[mostLinks/2:])
	}
	one := &link{}
	l.connections[connection] = one
	l.order = append(l.order, connection)
	return one
}

// forget drops a pool from all connections.
func (l *links) forget(pl *pool) {
	for _, one := range l.connections {
		if one.pool == pl {
			one.pool = nil
		}
	}
}

const poolCookie = "cupel_pool"

// place is where a caller is, as far as its address tells: all of loopback is
// one, since a client may come by either protocol.
func (c *call) place() string {
	if ip, err := netip.ParseAddr(c.caller.Address); err == nil && ip.Unmap().IsLoopback() {
		return "loopback"
	}
	return c.caller.Address
}

// process finds the caller's process, once for each connection. It is called
// without s.mu, since it reads much of /proc.
func (s *Server) process(c *call) (peer.Process, bool) {
	if c.place() != "loopback" {
		return peer.Process{}, false
	}
	s.mu.Lock()
	one := s.links.of(c.caller.Connection)
	process, looked, known := one.process, one.looked, one.known
	s.mu.Unlock()
	if looked {
		return process, known
	}
	process, err := s.owner(c.caller.Peer, c.caller.Local)
	s.mu.Lock()
	defer s.mu.Unlock()
	one.process, one.looked, one.known = process, true, err == nil
	return process, one.known
}

// introduce remembers who initialized a pool.
func (s *Server) introduce(c *call, pl *pool) {
	process, known := s.process(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.links.of(c.caller.Connection)
	if before := one.pool; before != nil && before != pl && before.id.world == pl.id.world {
		// This client leaves its old pool for the new one: its other
		// connections must not stay behind. Those that are not known to be
		// somebody else's are asked anew.
		for _, other := range s.links.connections {
			if other.pool == before && !(known && other.known && other.process != process) {
				other.pool = nil
			}
		}
		if known {
			delete(before.processes, process)
		}
	}
	one.pool = pl
	pl.addresses[c.place()] = true
	if known {
		pl.processes[process] = true
	}
	http.SetCookie(c.w, &http.Cookie{Name: poolCookie, Value: pl.cookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

// waysOut tells a client with several pools how to say which it means.
const waysOut = "Several sandbox pools with different configs are live here, and this request doesn't say which it means: " +
	"use a base_url that ends with /pools/NAME, or send the header X-Cupel-Pool: NAME or the parameter pool=NAME, " +
	"with /pool/initialize and with /pool/execute; or keep the cookie cupel_pool that /pool/initialize sets"

const noPool = "Sandbox pool is empty, call initialize_pool first"

// resolve finds the pool that a request means, see the package's doc. Without
// one, it answers and returns nil.
func (s *Server) resolve(c *call) *pool {
	pl, several := s.known(c)
	if pl == nil && several {
		// Only now is the process worth asking for.
		pl = s.byProcess(c)
	}
	switch {
	case pl != nil:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.links.of(c.caller.Connection).pool = pl
		return pl
	case several:
		c.refuse(http.StatusConflict, waysOut)
	default:
		c.refuse(http.StatusBadRequest, noPool)
	}
	return nil
}

// known finds the pool by cookie or connection, or as the only one there is.
func (s *Server) known(c *call) (pl *pool, several bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := func(pl *pool) bool {
		return pl != nil && pl.id.key == c.caller.Key && pl.id.world == c.world && s.pools[pl.id] == pl
	}
	if cookie, err := c.r.Cookie(poolCookie); err == nil {
		for _, pl := range s.pools {
			if mine(pl) && pl.cookie == cookie.Value {
				return pl, false
			}
		}
	}
	if pl := s.links.of(c.caller.Connection).pool; mine(pl) {
		return pl, false
	}
	for _, one := range s.pools {
		// Without keys, a caller is who comes from the same address. A world
		// was named, and needs no more.
		if !mine(one) || c.caller.Key == "" && c.world == "" && !one.addresses[c.place()] {
			continue
		}
		several = pl != nil
		if pl = one; several {
			return nil, true
		}
	}
	return pl, false
}

// byProcess finds the pool that the caller's process, and only one, has
// initialized.
func (s *Server) byProcess(c *call) *pool {
	process, known := s.process(c)
	if !known {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var found *pool
	for _, pl := range s.pools {
		if pl.id.key == c.caller.Key && pl.id.world == c.world && pl.processes[process] {
			if found != nil {
				return nil
			}
			found = pl
		}
	}
	return found
}
