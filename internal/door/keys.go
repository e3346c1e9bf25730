package door

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"

	"cupel.dev/cupel"
)

// keyring knows keys by the hashes of their secrets, so that comparing one
// takes as long whatever was sent.
type keyring struct {
	names  []string
	hashes [][sha256.Size]byte
}

// newKeyring checks keys. Unlike in a file, a secret may be short: whoever
// passes one on a command line was warned there.
func newKeyring(keys []Key) (keyring, error) {
	var k keyring
	byName, bySecret := map[string]bool{}, map[string]string{}
	for _, key := range keys {
		if !isToken(key.Name) {
			return keyring{}, cupel.Invalidf("key name", key.Name, nameRule)
		}
		if byName[key.Name] {
			return keyring{}, cupel.Invalidf("key name", key.Name, "two keys have it; give each its own")
		}
		if reason := unsendable(key.Secret); reason != "" {
			return keyring{}, cupel.Errorf(cupel.Invalid, "", "the secret of the key %q %s", key.Name, reason)
		}
		if other, is := bySecret[key.Secret]; is {
			return keyring{}, cupel.Errorf(cupel.Invalid, "", "the keys %q and %q have the same secret: give each its own", other, key.Name)
		}
		byName[key.Name], bySecret[key.Secret] = true, key.Name
		k.names = append(k.names, key.Name)
		k.hashes = append(k.hashes, sha256.Sum256([]byte(key.Secret)))
	}
	return k, nil
}

// open reports whether everybody may call.
func (k *keyring) open() bool { return len(k.names) == 0 }

// name returns the name of the key with the secret. All keys are compared,
// whichever fits.
func (k *keyring) name(secret string) (string, bool) {
	sum := sha256.Sum256([]byte(secret))
	found := -1
	for i := range k.hashes {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sum[:], k.hashes[i][:]), i, found)
	}
	if found < 0 {
		return "", false
	}
	return k.names[found], true
}

// secretOf finds the secret in a request: the header X-API-Key, else the query
// parameter api_key (its last value), else Authorization: Bearer. One that is
// there and wrong is not made good by another.
func secretOf(r *http.Request) string {
	if s := r.Header.Get("X-API-Key"); s != "" {
		return s
	}
	if r.URL.RawQuery != "" {
		// What url.ParseQuery can't read it leaves out; the rest counts.
		query, _ := url.ParseQuery(r.URL.RawQuery)
		if values := query["api_key"]; len(values) > 0 && values[len(values)-1] != "" {
			return values[len(values)-1]
		}
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return ""
}

const nameRule = "use 1 to 64 of the characters A-Z a-z 0-9 . _ -"

// isToken reports whether s is [A-Za-z0-9._-]{1,64}: the form of a key's name
// and of a request's id.
func isToken(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// maxSecret keeps a secret well below what a header may be.
const maxSecret = 1024

// unsendable says why a secret can't be sent in a header, or is "".
func unsendable(secret string) string {
	switch {
	case secret == "":
		return "is empty"
	case len(secret) > maxSecret:
		return "is longer than 1024 characters"
	case strings.ContainsFunc(secret, func(c rune) bool { return c <= ' ' || c > '~' }):
		return "has a character that is not printable ASCII, or a space"
	}
	return ""
}
