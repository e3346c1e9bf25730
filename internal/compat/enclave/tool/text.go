package tool

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// decode reads output as UTF-8 with one U+FFFD for each maximal part of an
// ill-formed sequence, as the Unicode Standard recommends and Python does with
// errors="replace". Go's own conversions write one a byte, or one a run.
func decode(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var out strings.Builder
	out.Grow(len(b) + len(b)/8)
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size <= 1 {
			size = illFormed(b)
		}
		out.WriteRune(r)
		b = b[size:]
	}
	return out.String()
}

// illFormed is the length of the ill-formed part at the start of b: the
// longest prefix of a well-formed sequence, or one byte.
func illFormed(b []byte) int {
	low, high := byte(0x80), byte(0xBF)
	var need int
	switch c := b[0]; {
	case c >= 0xC2 && c <= 0xDF:
		need = 1
	case c >= 0xE0 && c <= 0xEF:
		need = 2
	case c >= 0xF0 && c <= 0xF4:
		need = 3
	}
	switch b[0] {
	case 0xE0:
		low = 0xA0
	case 0xED:
		high = 0x9F
	case 0xF0:
		low = 0x90
	case 0xF4:
		high = 0x8F
	}
	n := 1
	for ; n <= need && n < len(b) && b[n] >= low && b[n] <= high; n++ {
		low, high = 0x80, 0xBF
	}
	return n
}

// loneSurrogate is half a surrogate pair in a JSON string.
type loneSurrogate struct {
	unit     uint16
	position int // in code points
}

// encodeError is what Python says when it is to write such a text as UTF-8.
func (l *loneSurrogate) encodeError(encoding string) string {
	return fmt.Sprintf(`'%s' codec can't encode character '\u%04x' in position %d: surrogates not allowed`,
		encoding, l.unit, l.position)
}

// findLone looks for a lone surrogate in a valid JSON string, quotes included.
func findLone(raw []byte) *loneSurrogate {
	position := 0
	for i := 1; i < len(raw)-1; position++ {
		if raw[i] != '\\' {
			_, size := utf8.DecodeRune(raw[i:])
			i += size
			continue
		}
		if raw[i+1] != 'u' {
			i += 2
			continue
		}
		unit, ok := escapedUnit(raw[i:])
		i += 6
		if !ok || unit < 0xD800 || unit > 0xDFFF {
			continue
		}
		low, paired := escapedUnit(raw[i:])
		if unit >= 0xDC00 || !paired || low < 0xDC00 || low > 0xDFFF {
			return &loneSurrogate{unit, position}
		}
		i += 6
	}
	return nil
}

// escapedUnit reads "\uXXXX" at the start of b.
func escapedUnit(b []byte) (uint16, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	return uint16(n), err == nil
}
