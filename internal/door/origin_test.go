package door

import (
	"net/http"
	"testing"
)

func TestOrigins(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	closed := serve(t, Config{Loopback: true}, handler)
	keyed := serve(t, Config{Keys: []Key{{"one", secret}}}, handler)
	named := serve(t, Config{Loopback: true, Origins: []string{"https://Example.org:443/", "http://app.example:8080"}}, handler)
	key := []string{"X-API-Key", secret}
	for name, c := range map[string]struct {
		s      *house
		method string
		header []string
		status int
	}{
		"no browser":                   {closed, "POST", nil, 204},
		"address bar":                  {closed, "GET", []string{"Sec-Fetch-Site", "none"}, 204},
		"own page":                     {closed, "POST", []string{"Host", "localhost:1", "Origin", "http://localhost:1"}, 204},
		"own page, the scheme's port":  {closed, "POST", []string{"Host", "localhost:80", "Origin", "http://LOCALHOST"}, 204},
		"own page, Sec-Fetch":          {closed, "POST", []string{"Origin", "http://localhost:1", "Sec-Fetch-Site", "same-origin"}, 204},
		"another port":                 {closed, "POST", []string{"Host", "localhost:1", "Origin", "http://localhost:2"}, 403},
		"another port, Sec-Fetch":      {closed, "POST", []string{"Sec-Fetch-Site", "same-site"}, 403},
		"foreign POST":                 {closed, "POST", []string{"Origin", "https://evil.example"}, 403},
		"foreign GET":                  {closed, "GET", []string{"Origin", "https://evil.example"}, 403},
		"foreign image":                {closed, "GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, 403},
		"foreign frame":                {closed, "GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, 403},
		"foreign link":                 {closed, "GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 204},
		"foreign form":                 {closed, "POST", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 403},
		"null":                         {closed, "POST", []string{"Origin", "null"}, 403},
		"no origin at all":             {closed, "POST", []string{"Origin", "%zz"}, 403},
		"not understood":               {closed, "POST", []string{"Sec-Fetch-Site", "sideways"}, 403},
		"foreign preflight":            {closed, "OPTIONS", []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "POST"}, 403},
		"keyed, foreign with the key":  {keyed, "POST", append(key, "Origin", "https://evil.example"), 403},
		"keyed, foreign GET":           {keyed, "GET", append(key, "Sec-Fetch-Site", "cross-site"), 403},
		"keyed, own page":              {keyed, "POST", append(key, "Host", "box", "Origin", "http://box"), 204},
		"named":                        {named, "POST", []string{"Origin", "https://example.org", "Sec-Fetch-Site", "cross-site"}, 204},
		"named, another scheme":        {named, "POST", []string{"Origin", "http://example.org"}, 403},
		"named, its port":              {named, "POST", []string{"Origin", "http://app.example:8080"}, 204},
		"named, another port":          {named, "POST", []string{"Origin", "http://app.example"}, 403},
		"named, a name below":          {named, "POST", []string{"Origin", "https://a.example.org"}, 403},
		"named, a longer name":         {named, "POST", []string{"Origin", "https://example.org.evil"}, 403},
		"named, OPTIONS, no preflight": {named, "OPTIONS", []string{"Origin", "https://example.org"}, 204},
	} {
		t.Run(name, func(t *testing.T) {
			resp, text := c.s.do(t, c.method, "/", "", c.header...)
			if resp.StatusCode != c.status {
				t.Errorf("%d %s, want %d", resp.StatusCode, text, c.status)
			}
			allowed, want := resp.Header.Get("Access-Control-Allow-Origin"), ""
			if c.s == named && c.status == 204 {
				want = c.header[1]
			}
			if allowed != want {
				t.Errorf("Access-Control-Allow-Origin %q, want %q", allowed, want)
			}
			if vary := resp.Header.Get("Vary"); (vary == "Origin") != (c.s == named) {
				t.Errorf("Vary %q", vary)
			}
			if resp.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Error("credentials are allowed")
			}
		})
	}
}

// TestPreflight: a page of an allowed origin learns what it may send without a
// key, which browsers don't send with the question.
func TestPreflight(t *testing.T) {
	ran := false
	s := serve(t, Config{Keys: []Key{{"one", secret}}, Origins: []string{"https://example.org"}},
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ran = true }))
	resp, text := s.do(t, "OPTIONS", "/sandbox/create", "", "Origin", "https://example.org",
		"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "x-api-key")
	if resp.StatusCode != http.StatusNoContent || text != "" || ran {
		t.Errorf("%d %q, handler ran: %v", resp.StatusCode, text, ran)
	}
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin":  "https://example.org",
		"Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
		"Access-Control-Allow-Headers": "Authorization, Content-Type, X-API-Key, X-Request-Id",
		"Access-Control-Max-Age":       "600",
		"Vary":                         "Origin",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if resp, _ := s.do(t, "POST", "/", "", "Origin", "https://example.org"); resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("without a key: %d %v", resp.StatusCode, resp.Header)
	}
}

func TestNewRefusesBadOrigins(t *testing.T) {
	for _, o := range []string{"", "*", "null", "example.org", "https://*.example.org", "https://example.org/x", "https://u@example.org", "ftp://a", "https://a?b", "https://a#b"} {
		_, err := New(Config{Origins: []string{o}})
		wantError(t, err, "write SCHEME://HOST")
	}
}
