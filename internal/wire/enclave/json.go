package enclave

import (
	"bytes"
	"unicode/utf8"
)

// maxDepth is how deep arrays and objects may be nested. Python's reader gives
// up at about the same depth.
const maxDepth = 900

// maxValues is how many values a text may hold, so that reading it takes no
// more memory than some times its size. No request needs so many.
const maxValues = 1 << 20

// CheckJSON reports where text is not JSON as Python's json module reads it:
// NaN, Infinity and -Infinity are numbers, and a byte order mark is skipped.
// It returns the text without the mark, or what FastAPI answers: where counts
// characters. ErrNotText stands for what FastAPI can't decode at all.
func CheckJSON(text []byte) (Value, *ValidationError, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(text) {
		return nil, nil, ErrNotText
	}
	s := scanner{text: text}
	from := s.space(0)
	to := s.value(from)
	if s.why == "" {
		if end := s.space(to); end != len(text) {
			s.fail(end, "Extra data")
		}
	}
	switch {
	case s.deep:
		return nil, nil, ErrNotText
	case s.why != "":
		return nil, &ValidationError{
			Type: "json_invalid", Loc: []any{"body", utf8.RuneCount(text[:s.where])}, Msg: "JSON decode error",
			Input: map[string]any{}, Ctx: map[string]any{"error": s.why},
		}, nil
	}
	return Value(text[from:to]), nil, nil
}

// scanner finds the ends of JSON values. Each method takes where a thing
// begins and returns where it ends; after the first failure the rest is void.
type scanner struct {
	text   []byte
	depth  int
	values int
	deep   bool // or too many
	where  int
	why    string
}

func (s *scanner) fail(at int, why string) int {
	if s.why == "" {
		s.where, s.why = at, why
	}
	return len(s.text)
}

// at returns the byte at i, or 0 behind the end. A NUL in the text is no
// legal byte anywhere, so the two need no telling apart.
func (s *scanner) at(i int) byte {
	if i < len(s.text) {
		return s.text[i]
	}
	return 0
}

func (s *scanner) space(i int) int {
	for i < len(s.text) && (s.text[i] == ' ' || s.text[i] == '\t' || s.text[i] == '\n' || s.text[i] == '\r') {
		i++
	}
	return i
}

func (s *scanner) value(i int) int {
	if s.values++; s.values > maxValues {
		s.deep = true
		return s.fail(i, "too many values")
	}
	switch s.at(i) {
	case '"':
		return s.string(i)
	case '{', '[':
		if s.depth++; s.depth > maxDepth {
			s.deep = true
			return s.fail(i, "too deep")
		}
		defer func() { s.depth-- }()
		if s.text[i] == '{' {
			return s.object(i + 1)
		}
		return s.array(i + 1)
	}
	for _, word := range []string{"null", "true", "false", "NaN", "Infinity", "-Infinity"} {
		if end := i + len(word); end <= len(s.text) && string(s.text[i:end]) == word {
			return end
		}
	}
	return s.number(i)
}

func (s *scanner) object(i int) int {
	if i = s.space(i); s.at(i) == '}' {
		return i + 1
	}
	for s.why == "" {
		if s.at(i) != '"' {
			return s.fail(i, "Expecting property name enclosed in double quotes")
		}
		i = s.space(s.string(i))
		if s.why == "" && s.at(i) != ':' {
			return s.fail(i, "Expecting ':' delimiter")
		}
		i = s.space(s.value(s.space(i + 1)))
		if s.at(i) == '}' {
			return i + 1
		}
		if s.at(i) != ',' {
			return s.fail(i, "Expecting ',' delimiter")
		}
		i = s.space(i + 1)
	}
	return len(s.text)
}

func (s *scanner) array(i int) int {
	if i = s.space(i); s.at(i) == ']' {
		return i + 1
	}
	for s.why == "" {
		i = s.space(s.value(i))
		if s.at(i) == ']' {
			return i + 1
		}
		if s.at(i) != ',' {
			return s.fail(i, "Expecting ',' delimiter")
		}
		i = s.space(i + 1)
	}
	return len(s.text)
}

func (s *scanner) string(from int) int {
	for i := from + 1; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			return i + 1
		case c < 0x20:
			return s.fail(i, "Invalid control character at")
		case c == '\\':
			i = s.escape(from, i)
		}
	}
	return s.fail(from, "Unterminated string starting at")
}

// escape returns the last byte of the escape that begins at i.
func (s *scanner) escape(from, i int) int {
	switch c := s.at(i + 1); {
	case i+1 >= len(s.text):
		return s.fail(from, "Unterminated string starting at")
	case c == 'u':
		for k := i + 2; k < i+6; k++ {
			// A string doesn't end with its last digit.
			if k+1 >= len(s.text) || !isHex(s.text[k]) {
				return s.fail(i+1, `Invalid \uXXXX escape`)
			}
		}
		return i + 5
	case bytes.IndexByte([]byte(`"\/bfnrt`), c) < 0:
		return s.fail(i, `Invalid \escape`)
	}
	return i + 1
}

func isHex(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func (s *scanner) number(from int) int {
	i := from
	if s.at(i) == '-' {
		i++
	}
	switch {
	case s.at(i) == '0':
		i++
	case isDigit(s.at(i)):
		i = s.digits(i)
	default:
		return s.fail(from, "Expecting value")
	}
	if s.at(i) == '.' && isDigit(s.at(i+1)) {
		i = s.digits(i + 1)
	}
	if s.at(i) == 'e' || s.at(i) == 'E' {
		k := i + 1
		if s.at(k) == '+' || s.at(k) == '-' {
			k++
		}
		if isDigit(s.at(k)) {
			i = s.digits(k)
		}
	}
	return i
}

func (s *scanner) digits(i int) int {
	for isDigit(s.at(i)) {
		i++
	}
	return i
}
