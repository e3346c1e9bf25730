package door

import (
	"net/http"
	"net/url"
	"strings"

	"cupel.dev/cupel"
)

// originRule keeps web pages of other origins out, and lets those in that the
// operator named (CORS).
//
// It is stricter than net/http's CrossOriginProtection, which lets every GET
// pass: what a page has no business with, it can't ask for at all.
type originRule struct{ allowed map[string]bool }

func newOriginRule(origins []string) (originRule, error) {
	rule := originRule{allowed: map[string]bool{}}
	for _, o := range origins {
		u, err := url.Parse(o)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.ContainsAny(u.Host, "*") ||
			u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
			return originRule{}, cupel.Invalidf("origin", o, "write SCHEME://HOST or SCHEME://HOST:PORT as https://example.org; a pattern is not possible")
		}
		rule.allowed[canonicalOrigin(u)] = true
	}
	return rule, nil
}

const foreignPage = "a web page of another origin sent this request: let the server's operator add its origin to the allowed ones"

// check returns the allowed origin of the page that sent the request ("" when
// it was none), and why it is refused, or "".
func (o *originRule) check(r *http.Request) (allowed, reason string) {
	origin := r.Header.Get("Origin")
	if origin != "" && len(o.allowed) > 0 {
		if u, err := url.Parse(origin); err == nil && o.allowed[canonicalOrigin(u)] {
			return origin, ""
		}
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return "", ""
	case "":
		// Not a browser, or one that does not trust the connection.
		if origin == "" || sameHost(origin, r.Host) {
			return "", ""
		}
	default:
		// A link that somebody followed to a page of ours shows it to him alone.
		if isRead(r.Method) && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document" {
			return "", ""
		}
	}
	return "", foreignPage
}

// sameHost reports whether an Origin header names the host of a Host header,
// the port included. "null" is no origin of ours.
func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	return withoutPort(u.Scheme, strings.ToLower(u.Host)) == withoutPort(u.Scheme, strings.ToLower(host))
}

// canonicalOrigin writes an origin as browsers do: in lower case, without the
// scheme's own port.
func canonicalOrigin(u *url.URL) string {
	return u.Scheme + "://" + withoutPort(u.Scheme, strings.ToLower(u.Host))
}

func withoutPort(scheme, host string) string {
	switch scheme {
	case "http":
		return strings.TrimSuffix(host, ":80")
	case "https":
		return strings.TrimSuffix(host, ":443")
	}
	return host
}

func isRead(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// isPreflight reports whether a browser asks for leave on behalf of a page.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

// The values of the CORS headers, shared by all responses.
var (
	varyOrigin     = []string{"Origin"}
	exposedHeaders = []string{"Retry-After, X-Request-Id"}
	allowedMethods = []string{"GET, HEAD, POST, PUT, PATCH, DELETE"}
	allowedHeaders = []string{"Authorization, Content-Type, X-API-Key, X-Request-Id"}
	preflightAge   = []string{"600"}
)

func (o *originRule) allow(h http.Header, origin string, preflight bool) {
	h["Access-Control-Allow-Origin"] = []string{origin}
	if !preflight {
		h["Access-Control-Expose-Headers"] = exposedHeaders
		return
	}
	h["Access-Control-Allow-Methods"] = allowedMethods
	h["Access-Control-Allow-Headers"] = allowedHeaders
	h["Access-Control-Max-Age"] = preflightAge
}
