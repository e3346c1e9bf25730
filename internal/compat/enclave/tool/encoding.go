package tool

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
)

// encodings are the ones that files may be written in, by the names that
// Python has for them, lower case with dashes.
var encodings = map[string]func(string) ([]byte, error){
	"utf-8":     asUTF8,
	"utf8":      asUTF8,
	"u8":        asUTF8,
	"utf":       asUTF8,
	"utf-8-sig": func(s string) ([]byte, error) { return []byte("\ufeff" + s), nil },

	"ascii": asASCII, "us-ascii": asASCII, "646": asASCII,
	"latin-1": asLatin1, "latin1": asLatin1, "latin": asLatin1, "l1": asLatin1,
	"iso-8859-1": asLatin1, "iso8859-1": asLatin1, "8859": asLatin1, "cp819": asLatin1,

	"utf-16":    as16(binary.LittleEndian, true),
	"utf16":     as16(binary.LittleEndian, true),
	"u16":       as16(binary.LittleEndian, true),
	"utf-16le":  as16(binary.LittleEndian, false),
	"utf-16-le": as16(binary.LittleEndian, false),
	"utf-16be":  as16(binary.BigEndian, false),
	"utf-16-be": as16(binary.BigEndian, false),
	"utf-32":    as32(binary.LittleEndian, true),
	"utf32":     as32(binary.LittleEndian, true),
	"u32":       as32(binary.LittleEndian, true),
	"utf-32le":  as32(binary.LittleEndian, false),
	"utf-32-le": as32(binary.LittleEndian, false),
	"utf-32be":  as32(binary.BigEndian, false),
	"utf-32-be": as32(binary.BigEndian, false),
}

// encode writes text in an encoding. The error reads as Python's.
func encode(text, encoding string) ([]byte, error) {
	name := strings.ToLower(strings.NewReplacer("_", "-", " ", "-").Replace(encoding))
	as, ok := encodings[name]
	if !ok {
		return nil, fmt.Errorf("unknown encoding: %s", encoding)
	}
	return as(text)
}

func asUTF8(s string) ([]byte, error) { return []byte(s), nil }

func asASCII(s string) ([]byte, error) { return asBytes(s, "ascii", 0x80) }

func asLatin1(s string) ([]byte, error) { return asBytes(s, "latin-1", 0x100) }

// asBytes writes one byte a code point, all of which are below end.
func asBytes(s, encoding string, end rune) ([]byte, error) {
	out := make([]byte, 0, len(s))
	points := []rune(s)
	for i, r := range points {
		if r < end {
			out = append(out, byte(r))
			continue
		}
		last := i
		for last+1 < len(points) && points[last+1] >= end {
			last++
		}
		if last > i {
			return nil, fmt.Errorf("'%s' codec can't encode characters in position %d-%d: ordinal not in range(%d)", encoding, i, last, end)
		}
		return nil, fmt.Errorf("'%s' codec can't encode character '%s' in position %d: ordinal not in range(%d)",
			encoding, escaped(r), i, end)
	}
	return out, nil
}

// escaped is a code point as Python writes it in such messages.
func escaped(r rune) string {
	switch {
	case r < 0x100:
		return fmt.Sprintf(`\x%02x`, r)
	case r < 0x10000:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}

// as16 and as32 write code units of two and four bytes, after a byte order
// mark if mark.

func as16(order binary.AppendByteOrder, mark bool) func(string) ([]byte, error) {
	return func(s string) ([]byte, error) {
		out := make([]byte, 0, 2*len(s)+2)
		if mark {
			out = order.AppendUint16(out, 0xFEFF)
		}
		for _, unit := range utf16.Encode([]rune(s)) {
			out = order.AppendUint16(out, unit)
		}
		return out, nil
	}
}

func as32(order binary.AppendByteOrder, mark bool) func(string) ([]byte, error) {
	return func(s string) ([]byte, error) {
		out := make([]byte, 0, 4*len(s)+4)
		if mark {
			out = order.AppendUint32(out, 0xFEFF)
		}
		for _, r := range s {
			out = order.AppendUint32(out, uint32(r))
		}
		return out, nil
	}
}
