package door

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func TestHostName(t *testing.T) {
	for host, want := range map[string]string{
		"localhost": "localhost", "LOCALHOST.:80": "localhost", "a.b:65535": "a.b", "127.0.0.1:1": "127.0.0.1",
		"[::1]": "::1", "[::1]:80": "::1", "[::FFFF:127.0.0.1]:80": "::ffff:127.0.0.1", "my_box-1": "my_box-1", "a:": "a",
		"": "", ":80": "", "::1": "", "[::1": "", "[::1]x": "", "[::1%lo]": "", "[127.0.0.1]": "", "a..b": "", ".": "", "a:b": "", "a:1:2": "",
		"a:123456": "", "a@localhost": "", "localhost/": "", "a b": "", "evil.com\\.localhost": "", "*.localhost": "", "lоcalhost": "",
		strings.Repeat("a.", 127) + "aa": "",
	} {
		got, ok := hostName(host)
		if got != want || ok != (want != "") {
			t.Errorf("hostName(%q) = %q, %v, want %q", host, got, ok, want)
		}
	}
}

func TestKeylessHost(t *testing.T) {
	loopback := serve(t, Config{Loopback: true, Hosts: []string{"Box.Example", "10.1.2.3"}}, echo)
	wide := serve(t, Config{Hosts: []string{"box.example"}}, echo)
	page := func(host string) []string { return []string{"Host", host, "Origin", "http://" + host} }
	tls := func(host string) []string { return append(page(host), "Sec-Fetch-Site", "same-origin") }
	for name, c := range map[string]struct {
		s      *house
		header []string
		ok     bool
	}{
		"localhost":              {loopback, []string{"Host", "localhost:1234"}, true},
		"a name of localhost":    {loopback, []string{"Host", "a.b.localhost"}, true},
		"127.0.0.0/8":            {loopback, []string{"Host", "127.255.1.1:9"}, true},
		"::1":                    {loopback, []string{"Host", "[::1]:9"}, true},
		"an operator's name":     {loopback, []string{"Host", "box.example:9"}, true},
		"an operator's address":  {loopback, []string{"Host", "10.1.2.3:9"}, true},
		"its page":               {loopback, page("localhost:1234"), true},
		"rebound":                {loopback, []string{"Host", "evil.example:1234"}, false},
		"rebound page":           {loopback, page("evil.example:1234"), false},
		"rebound page, over TLS": {loopback, tls("evil.example:1234"), false},
		"rebound, 127.0.0.1.x":   {loopback, []string{"Host", "127.0.0.1.evil.example"}, false},
		"rebound, localhost.x":   {loopback, []string{"Host", "localhost.evil.example"}, false},
		"rebound, xlocalhost":    {loopback, []string{"Host", "xlocalhost"}, false},
		"every address":          {loopback, []string{"Host", "0.0.0.0:1234"}, false},
		"another address":        {loopback, []string{"Host", "10.1.2.4"}, false},
		"wide, any name":         {wide, []string{"Host", "gpu1:1234"}, true},
		"wide, page of address":  {wide, page("10.1.2.4:1234"), true},
		"wide, page of IPv6":     {wide, page("[2001:db8::1]:1234"), true},
		"wide, page of a name":   {wide, page("gpu1:1234"), false},
		"wide, page over TLS":    {wide, tls("gpu1:1234"), true},
		"wide, operator's name":  {wide, page("BOX.example:1234"), true},
		"wide, page of loopback": {wide, page("localhost:1234"), true},
	} {
		t.Run(name, func(t *testing.T) {
			resp, text := c.s.do(t, "POST", "/", "{}", append(c.header, "Content-Type", "application/json")...)
			switch {
			case c.ok && (resp.StatusCode != http.StatusOK || text != "{}"):
				t.Errorf("%d %s", resp.StatusCode, text)
			case !c.ok && (resp.StatusCode != http.StatusMisdirectedRequest || !strings.Contains(text, c.header[1]) || !strings.Contains(text, "call it as ") || !strings.Contains(text, "a key")):
				t.Errorf("%d %s", resp.StatusCode, text)
			}
		})
	}
}

func TestHostlessIsRefused(t *testing.T) {
	s := serve(t, Config{Loopback: true}, echo)
	for text, want := range map[string]string{
		"GET / HTTP/1.0\r\n\r\n": "421 ",
		"GET / HTTP/1.1\r\n\r\n": "400 ",
		"GET / HTTP/1.1\r\nHost: a\r\nHost: localhost\r\nConnection: close\r\n\r\n":      "400 ",
		"GET http://evil/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n":      "421 ",
		"GET http://localhost/ HTTP/1.1\r\nHost: evil\r\nConnection: close\r\n\r\n":      "200 ",
		"GET / HTTP/1.1\r\nHost: " + strings.Repeat("a", 9000) + "\r\nConnection: close": "421 ",
	} {
		if !strings.HasSuffix(text, "\r\n\r\n") {
			text += "\r\n\r\n"
		}
		got := s.raw(t, text)
		_, got, _ = strings.Cut(got, " ")
		if !strings.HasPrefix(got, want) || len(got) > 2000 {
			t.Errorf("%.60q answers %.80q, want %s", text, got, want)
		}
	}
}

func TestNewRefusesBadHosts(t *testing.T) {
	for _, h := range []string{"", "http://a", "a:80", "a/b", "*.example", "[::1]", "a b"} {
		_, err := New(Config{Hosts: []string{h}})
		wantError(t, err, "write a name as gpu1.example.org")
	}
}

// FuzzHostCheck: what passes as loopback is loopback to a URL parser as well,
// which is what browsers resolve.
func FuzzHostCheck(f *testing.F) {
	for _, s := range []string{"localhost", "127.0.0.1:80", "[::1]:1", "[::ffff:127.0.0.1]", "evil@localhost", "a.localhost.", "localhost:80:90", "[::1]evil", "127.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		name, ok := hostName(host)
		if !ok {
			if name != "" {
				t.Errorf("hostName(%q) = %q, false", host, name)
			}
			return
		}
		if again, ok := hostName(name); !strings.Contains(name, ":") && (!ok || again != name) {
			t.Errorf("%q is %q, which is %q", host, name, again)
		}
		if !isLoopback(name) {
			return
		}
		u, err := url.Parse("http://" + host + "/")
		if err != nil || u.User != nil || u.Path != "/" {
			t.Fatalf("%q passes, and is no host of a URL: %v", host, err)
		}
		seen := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
		addr, err := netip.ParseAddr(seen)
		if seen != "localhost" && !strings.HasSuffix(seen, ".localhost") && (err != nil || !addr.Unmap().IsLoopback()) {
			t.Errorf("%q passes; its host is %q", host, seen)
		}
	})
}
