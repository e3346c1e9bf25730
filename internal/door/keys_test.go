package door

import (
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cupel.dev/cupel"
)

func TestReadKeys(t *testing.T) {
	write := func(text string, mode os.FileMode) string {
		file := filepath.Join(t.TempDir(), "keys")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	long := strings.Repeat("n", 64)
	for name, c := range map[string]struct {
		text string
		want []Key
		// err is what the error says, %s being the file.
		err string
	}{
		"two":                {text: "a " + secret + "\nb\t0123456789abcdef", want: []Key{{"a", secret}, {"b", "0123456789abcdef"}}},
		"comments, CRLF":     {text: "# keys\r\n\r\n  a " + secret + "  \r\n #b x\n", want: []Key{{"a", secret}}},
		"longest name":       {text: long + " " + secret, want: []Key{{long, secret}}},
		"empty":              {text: "", err: "%s: no key in it: write a line NAME SECRET"},
		"only comments":      {text: "# a " + secret, err: "%s: no key in it"},
		"no secret":          {text: "\na\n", err: "%s:2: 1 words, want two: NAME SECRET"},
		"comment at the end": {text: "a " + secret + " # mine", err: "%s:1: 4 words, want two"},
		"name":               {text: "a/b " + secret, err: "%s:1: the name is not valid: use 1 to 64 of"},
		"name too long":      {text: long + "n " + secret, err: "%s:1: the name is not valid"},
		"byte order mark":    {text: "\ufeffa " + secret, err: "%s:1: the name is not valid"},
		"short secret":       {text: "a 0123456789abcde", err: "%s:1: the secret has 15 characters, want 16 or more"},
		"unprintable secret": {text: "a 0123456789abcdef\x00", err: "%s:1: the secret has a character that is not printable ASCII"},
		"foreign secret":     {text: "a 0123456789abcdeé", err: "%s:1: the secret has a character that is not printable ASCII"},
		"secret too long":    {text: "a " + strings.Repeat("x", 1025), err: "%s:1: the secret is longer than 1024"},
		"name twice":         {text: "a " + secret + "\n\na 0123456789abcdef", err: "%s:3: the name of line 1 again"},
		"secret twice":       {text: "#\na " + secret + "\nb " + secret, err: "%s:3: the secret of line 2 again"},
		"too large":          {text: strings.Repeat("#\n", maxKeyFile/2+1), err: "%s: larger than 1 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			file := write(c.text, 0o600)
			got, err := ReadKeys(file)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
			wantError(t, err, strings.Replace(c.err, "%s", file, 1))
		})
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o601} {
		file := write("a "+secret, mode)
		_, err := ReadKeys(file)
		wantError(t, err, "chmod 600 "+file)
	}
	if keys, err := ReadKeys(write("a "+secret, 0o400)); err != nil || len(keys) != 1 {
		t.Errorf("mode 0400: %v, %v", keys, err)
	}
	_, err := ReadKeys(t.TempDir())
	wantError(t, err, "not a regular file")
	if _, err := ReadKeys(filepath.Join(t.TempDir(), "none")); cupel.KindOf(err) != cupel.NotFound {
		t.Errorf("no file: %v", err)
	}
	if runtime.GOOS == "linux" {
		_, err = ReadKeys("/dev/null")
		wantError(t, err, "not a regular file")
	}
}

// wantError fails unless err is of kind Invalid, says want ("": there is none)
// and keeps the secret.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err == nil:
	case want == "" || err == nil || !strings.Contains(err.Error(), want) || cupel.KindOf(err) != cupel.Invalid:
		t.Errorf("error = %v (kind %q), want %q", err, cupel.KindOf(err), want)
	case strings.Contains(err.Error(), secret):
		t.Errorf("the error tells the secret: %v", err)
	}
}

// FuzzParseKeys: what is read is valid, and is read again from what it is
// written as; what is refused is refused without telling any word of it that
// may be a secret.
func FuzzParseKeys(f *testing.F) {
	for _, s := range []string{"", "a " + secret, "# c\n\na\t" + secret + "\r\nb 0123456789abcdef", secret + " a", "a a a", "a " + secret + "\na " + secret} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := parseKeys("F", text)
		if err != nil {
			if len(keys) > 0 {
				t.Errorf("keys and an error: %v, %v", keys, err)
			}
			for word := range strings.FieldsSeq(text) {
				// No word of a refusal itself is that long.
				if len(word) > 20 && strings.Contains(err.Error(), word) {
					t.Errorf("the error tells %q: %v", word, err)
				}
			}
			return
		}
		if len(keys) == 0 {
			t.Fatal("neither a key nor an error")
		}
		var again strings.Builder
		for _, k := range keys {
			if !isToken(k.Name) || len(k.Secret) < minSecret || unsendable(k.Secret) != "" {
				t.Errorf("%q is read as a key", k)
			}
			again.WriteString(k.Name + " " + k.Secret + "\n")
		}
		second, err := parseKeys("F", again.String())
		if err != nil {
			t.Fatalf("%q: %v", again.String(), err)
		}
		if diff := cmp.Diff(keys, second); diff != "" {
			t.Error(diff)
		}
		if _, err := newKeyring(keys); err != nil {
			t.Errorf("no keyring of them: %v", err)
		}
	})
}

func TestNewRefusesBadKeys(t *testing.T) {
	for name, c := range map[string]struct {
		keys []Key
		err  string
	}{
		"short is allowed": {keys: []Key{{"a", "x"}}},
		"no name":          {keys: []Key{{"", secret}}, err: `key name ""`},
		"bad name":         {keys: []Key{{"a b", secret}}, err: `key name "a b"`},
		"name twice":       {keys: []Key{{"a", secret}, {"a", "other"}}, err: "two keys have it"},
		"empty secret":     {keys: []Key{{"a", ""}}, err: `the secret of the key "a" is empty`},
		"line end":         {keys: []Key{{"a", secret + "\n"}}, err: "not printable"},
		"secret twice":     {keys: []Key{{"a", secret}, {"b", secret}}, err: `the keys "a" and "b" have the same secret`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(Config{Keys: c.keys})
			wantError(t, err, c.err)
		})
	}
}

func TestKeyringKeepsNoSecret(t *testing.T) {
	k, err := newKeyring([]Key{{"a", secret}, {"b", "other"}})
	if err != nil {
		t.Fatal(err)
	}
	want := [][sha256.Size]byte{sha256.Sum256([]byte(secret)), sha256.Sum256([]byte("other"))}
	if diff := cmp.Diff(want, k.hashes); diff != "" {
		t.Error(diff)
	}
	for s, want := range map[string]string{secret: "a", "other": "b", "": "", "othe": "", "other ": "", secret + "x": ""} {
		if got, ok := k.name(s); got != want || ok != (want != "") {
			t.Errorf("name(%q) = %q, %v", s, got, ok)
		}
	}
}

func TestKeys(t *testing.T) {
	s := serve(t, Config{Keys: []Key{{"one", secret}, {"two", "0123456789abcdef"}}, Loopback: true},
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(CallerOf(r.Context()).Key)) }))
	for name, c := range map[string]struct {
		query  string
		header []string
		want   string // the key's name; "" is refused
	}{
		"none":                        {},
		"header":                      {header: []string{"X-API-Key", secret}, want: "one"},
		"second key":                  {header: []string{"x-api-key", "0123456789abcdef"}, want: "two"},
		"query":                       {query: "?api_key=" + secret, want: "one"},
		"query, written otherwise":    {query: "?x=1&api%5fkey=%73" + secret[1:], want: "one"},
		"query beside what is broken": {query: "?a;b=%zz&api_key=" + secret, want: "one"},
		"query, the last counts":      {query: "?api_key=wrong&api_key=" + secret, want: "one"},
		"query, the last is wrong":    {query: "?api_key=" + secret + "&api_key=wrong"},
		"empty header, query":         {query: "?api_key=" + secret, header: []string{"X-API-Key", ""}, want: "one"},
		"wrong header, query":         {query: "?api_key=" + secret, header: []string{"X-API-Key", "wrong"}},
		"wrong query, bearer":         {query: "?api_key=wrong", header: []string{"Authorization", "Bearer " + secret}},
		"bearer":                      {header: []string{"Authorization", "bearer  " + secret}, want: "one"},
		"basic":                       {header: []string{"Authorization", "Basic " + secret}},
		"bare":                        {header: []string{"Authorization", secret}},
		"wrong":                       {header: []string{"X-API-Key", secret + "x"}},
		"prefix":                      {header: []string{"X-API-Key", secret[:len(secret)-1]}},
		"the hash":                    {header: []string{"X-API-Key", string(sha256Hex(secret))}},
		"parameter's name in capital": {query: "?API_KEY=" + secret},
		"second header":               {header: []string{"X-API-Key", "wrong", "X-API-Key", secret}},
		"keyed: any Host":             {header: []string{"X-API-Key", secret, "Host", "evil.example"}, want: "one"},
	} {
		t.Run(name, func(t *testing.T) {
			resp, text := s.do(t, "GET", "/x"+c.query, "", c.header...)
			if c.want != "" {
				if resp.StatusCode != http.StatusOK || text != c.want {
					t.Errorf("%d %q, want %q", resp.StatusCode, text, c.want)
				}
				return
			}
			if resp.StatusCode != http.StatusUnauthorized || text != `{"detail":"Unauthorized"}`+"\n" || resp.Header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%d %q %v", resp.StatusCode, text, resp.Header)
			}
		})
	}
	s.settle(t)
	if strings.Contains(s.String(), secret[3:]) {
		t.Errorf("the log tells a secret:\n%s", s.String())
	}
}

func sha256Hex(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	const digits = "0123456789abcdef"
	out := make([]byte, 0, 64)
	for _, b := range sum {
		out = append(out, digits[b>>4], digits[b&15])
	}
	return out
}

// TestNoSecretIsWrittenDown sends a key in each of the three ways, right and
// wrong, to handlers that answer, refuse, panic and run programs.
func TestNoSecretIsWrittenDown(t *testing.T) {
	var d *Door
	h := http.NewServeMux()
	h.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("broken") })
	h.HandleFunc("/late", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		panic("broken")
	})
	h.HandleFunc("/run", func(_ http.ResponseWriter, r *http.Request) {
		d.Executed(r.Context(), Execution{Door: "v1", Code: []byte(secret), Err: cupel.Errorf(cupel.Internal, "run", "no")})
	})
	s := serve(t, Config{Keys: []Key{{"one", secret}}}, h)
	d = s.door
	n := 0
	for _, path := range []string{"/run", "/panic", "/none", "/late", "/x&api_key=" + secret} {
		for _, right := range []string{secret, secret + "-wrong"} {
			for _, way := range []string{"X-API-Key", "Authorization", "query", "odd", "bare"} {
				r := httptest.NewRequest(http.MethodPost, path, nil)
				switch way {
				case "X-API-Key":
					r.Header.Set(way, right)
				case "Authorization":
					r.Header.Set(way, "Bearer "+right)
				case "query":
					r.URL.RawQuery = "b=" + right + "&api_key=" + right
				case "odd":
					r.URL.RawQuery = "api_key%3D" + right + "=&%61pi_key=" + right + "&a;api_key=" + right
				case "bare":
					r.URL.RawQuery = right
				}
				func() {
					defer func() { _ = recover() }()
					s.http.Handler.ServeHTTP(httptest.NewRecorder(), r)
				}()
				n++
			}
		}
	}
	if got := len(s.lines(t, "request")); got != n {
		t.Errorf("%d access lines for %d requests", got, n)
	}
	if len(s.lines(t, "panic")) == 0 || len(s.lines(t, "execution")) == 0 {
		t.Error("nothing panicked, or nothing ran")
	}
	if text := s.String(); strings.Contains(text, secret) || !strings.Contains(text, "?b=REDACTED&api_key=REDACTED") {
		t.Errorf("the log:\n%.3000s", text)
	}
}
