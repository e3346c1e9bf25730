package door

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"cupel.dev/cupel"
)

// hostRule says which names a keyless server answers to. A page that a name
// server moved to this address (DNS rebinding) still calls it by the page's
// own name; an address can't be moved like that.
type hostRule struct {
	loopback bool
	names    map[string]bool
}

func newHostRule(loopback bool, hosts []string) (hostRule, error) {
	rule := hostRule{loopback: loopback, names: map[string]bool{}}
	for _, h := range hosts {
		name, ok := hostName(h)
		if !ok || strings.HasPrefix(h, "[") || name != strings.TrimSuffix(strings.ToLower(h), ".") {
			return hostRule{}, cupel.Invalidf("host", h, "write a name as gpu1.example.org, without a scheme, port or path")
		}
		rule.names[name] = true
	}
	return rule, nil
}

// check returns why the request's Host is refused, or "".
func (h *hostRule) check(r *http.Request) string {
	if !h.loopback && !fromPlainPage(r) {
		return ""
	}
	name, ok := hostName(r.Host)
	switch {
	case ok && (isLoopback(name) || h.names[name]):
		return ""
	case ok && !h.loopback && isAddress(name):
		return ""
	}
	const most = 100
	shown := r.Host
	if len(shown) > most {
		shown = shown[:most] + "…"
	}
	instead := "localhost or 127.0.0.1"
	if !h.loopback {
		instead = "its address"
	}
	return fmt.Sprintf("Host %q is not a name of this server, which has no keys: call it as %s, "+
		"or let its operator add the name to its hosts or give it a key", shown, instead)
}

// fromPlainPage reports whether the script or form of a web page that came over
// plain HTTP sent the request: over TLS, or from localhost, a browser would say
// Sec-Fetch-Site too, and no name server can move such a page.
func fromPlainPage(r *http.Request) bool {
	return r.Header.Get("Origin") != "" && r.Header.Get("Sec-Fetch-Site") == ""
}

// hostName takes a Host header apart: NAME, NAME:PORT, ADDRESS, ADDRESS:PORT,
// [IPV6] or [IPV6]:PORT. It returns the name in lower case without a final
// dot, or the address as netip writes it.
func hostName(host string) (string, bool) {
	if inner, is := strings.CutPrefix(host, "["); is {
		text, rest, closed := strings.Cut(inner, "]")
		addr, err := netip.ParseAddr(text)
		if !closed || err != nil || !addr.Is6() || addr.Zone() != "" || !isPort(rest) {
			return "", false
		}
		return addr.String(), true
	}
	name := host
	if i := strings.IndexByte(host, ':'); i >= 0 {
		if !isPort(host[i:]) {
			return "", false
		}
		name = host[:i]
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	if name == "" || len(name) > 253 {
		return "", false
	}
	for label := range strings.SplitSeq(name, ".") {
		if !isToken(label) {
			return "", false
		}
	}
	return name, true
}

// isPort reports whether s is "" or a colon and up to five digits.
func isPort(s string) bool {
	digits, is := strings.CutPrefix(s, ":")
	if !is {
		return s == ""
	}
	return len(digits) <= 5 && strings.Trim(digits, "0123456789") == ""
}

// isLoopback reports whether what hostName returned is a name or an address of
// the machine itself.
func isLoopback(name string) bool {
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Unmap().IsLoopback()
}

func isAddress(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil
}
