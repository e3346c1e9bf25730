package enclave

import (
	"path"
	"slices"
	"strings"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/wire/enclave"
)

// startCommand is what a container with the entrypoint and the command starts.
// What the image itself would start is not known here, and runs nothing.
func startCommand(entrypoint, command *enclave.Command) ([]string, error) {
	var all []string
	for _, part := range []struct {
		field string
		*enclave.Command
	}{{"entrypoint", entrypoint}, {"command", command}} {
		if part.Command == nil {
			continue
		}
		words := part.List
		if words == nil {
			var ok bool
			if words, ok = splitWords(part.Text); !ok {
				return nil, cupel.Invalidf(part.field, part.Text, "close its quotes, or give a list")
			}
		}
		all = append(all, words...)
	}
	for _, word := range all {
		if strings.ContainsRune(word, 0) {
			return nil, cupel.Invalidf("command", word, "an argument holds no NUL")
		}
	}
	if len(all) > 0 && all[0] == "" {
		return nil, cupel.Invalidf("command", "", "name the program to run")
	}
	return all, nil
}

// splitWords splits a text as a POSIX shell does, without any expansion. It
// returns false when a quote stays open.
func splitWords(s string) (words []string, ok bool) {
	var word strings.Builder
	inWord, quote := false, rune(0)
	escaped := false
	for _, r := range s {
		switch {
		case escaped:
			if quote == '"' && r != '"' && r != '\\' {
				word.WriteRune('\\')
			}
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case strings.ContainsRune(" \t\r\n", r):
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, quote == 0 && !escaped
}

// keepsAlive reports whether a container runs these words only so that it
// doesn't end: a sandbox doesn't need them.
func keepsAlive(words []string) bool {
	name, rest := path.Base(words[0]), words[1:]
	switch name {
	case "sleep":
		return len(rest) == 1
	case "tail":
		return slices.Contains(rest, "/dev/null") && slices.ContainsFunc(rest, func(s string) bool {
			return s == "-f" || s == "-F" || s == "--follow"
		})
	case "cat":
		return len(rest) == 0
	case "bash", "sh", "dash", "ash", "zsh", "python", "python3":
		if len(rest) == 2 && strings.HasSuffix(rest[0], "c") && strings.HasPrefix(rest[0], "-") && !strings.ContainsAny(rest[1], ";&|<>$`(){}\n") {
			inner, ok := splitWords(rest[1])
			return ok && len(inner) > 0 && keepsAlive(inner)
		}
		return !slices.ContainsFunc(rest, func(s string) bool { return !strings.HasPrefix(s, "-") || strings.Contains(s, "c") })
	}
	return false
}
