package door

import (
	"fmt"
	"io"
	"os"
	"strings"

	"cupel.dev/cupel"
)

const (
	minSecret  = 16
	maxKeyFile = 1 << 20
)

// ReadKeys reads a file of keys: one NAME SECRET a line, blank lines and lines
// that begin with # apart. Names are [A-Za-z0-9._-]{1,64}, secrets 16 to 1024
// printable ASCII characters; neither may be there twice. It must be a regular
// file that only its owner can read, of 1 MiB at most, with at least one key.
//
// The error is of kind Invalid, or NotFound; it names FILE:LINE and the fix,
// never a secret.
func ReadKeys(file string) ([]Key, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, keyFileError(err)
	}
	// Asked before opening, which would wait for the other end of a pipe.
	if !info.Mode().IsRegular() {
		return nil, cupel.Errorf(cupel.Invalid, "", "%s: not a regular file: put the keys in one, a line NAME SECRET each", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, keyFileError(err)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, keyFileError(err)
	}
	if mode := info.Mode(); !mode.IsRegular() || mode.Perm()&0o077 != 0 {
		return nil, cupel.Errorf(cupel.Invalid, "", "%s: others than its owner can get at it (mode %04o): chmod 600 %s", file, mode.Perm(), file)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, keyFileError(err)
	}
	return parseKeys(file, string(text))
}

func keyFileError(err error) error {
	kind := cupel.Invalid
	if os.IsNotExist(err) {
		kind = cupel.NotFound
	}
	return cupel.Errorf(kind, "read keys", "%w", err)
}

// parseKeys reads the text of a file of keys. The file's name is for errors.
func parseKeys(file, text string) ([]Key, error) {
	if len(text) > maxKeyFile {
		return nil, cupel.Errorf(cupel.Invalid, "", "%s: larger than 1 MiB: leave only the keys in it", file)
	}
	var keys []Key
	names, secrets := map[string]int{}, map[string]int{}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, reason := parseKey(line)
		if reason == "" {
			reason = taken(names, key.Name, "name")
		}
		if reason == "" {
			reason = taken(secrets, key.Secret, "secret")
		}
		if reason != "" {
			return nil, cupel.Errorf(cupel.Invalid, "", "%s:%d: %s", file, number, reason)
		}
		names[key.Name], secrets[key.Secret] = number, number
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		// No keys would mean no lock.
		return nil, cupel.Errorf(cupel.Invalid, "", "%s: no key in it: write a line NAME SECRET", file)
	}
	return keys, nil
}

// parseKey reads a line, or says what is wrong with it. What is not certainly a
// name may be a secret that stands in the wrong place: it is not repeated.
func parseKey(line string) (Key, string) {
	fields := strings.Fields(line)
	if len(fields) != 2 {
		return Key{}, fmt.Sprintf("%d words, want two: NAME SECRET (a comment has a line of its own)", len(fields))
	}
	key := Key{Name: fields[0], Secret: fields[1]}
	if !isToken(key.Name) {
		return Key{}, "the name is not valid: " + nameRule
	}
	if reason := unsendable(key.Secret); reason != "" {
		return Key{}, "the secret " + reason
	}
	if len(key.Secret) < minSecret {
		return Key{}, fmt.Sprintf("the secret has %d characters, want %d or more: make one with `openssl rand -hex 24`", len(key.Secret), minSecret)
	}
	return key, ""
}

func taken(seen map[string]int, value, what string) string {
	if line, is := seen[value]; is {
		return fmt.Sprintf("the %s of line %d again: give each key its own", what, line)
	}
	return ""
}
