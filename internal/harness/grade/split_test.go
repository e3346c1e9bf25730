package grade

import (
	"bytes"
	"encoding/binary"
	"testing"
)

func chunked(boundary []byte, kind byte, body []byte, size int) [][]byte {
	data := appendField(nil, body)
	data = append(data[:4], append([]byte{kind}, body...)...)
	var out [][]byte
	for len(data) > 0 {
		n := min(size, len(data))
		chunk := binary.BigEndian.AppendUint16(bytes.Clone(boundary), uint16(n))
		out = append(out, append(chunk, data[:n]...))
		data = data[n:]
	}
	return out
}

// FuzzSplit writes prints and a reply mixed, in pieces of any size, and wants
// both back.
func FuzzSplit(f *testing.F) {
	f.Add([]byte("hello"), []byte("answers"), uint8(3), uint8(5))
	f.Add([]byte{}, []byte{}, uint8(1), uint8(1))
	f.Add(bytes.Repeat([]byte{0xAB}, 40), bytes.Repeat([]byte{0}, 5000), uint8(200), uint8(7))
	f.Fuzz(func(t *testing.T, printed, body []byte, size, piece uint8) {
		boundary := []byte("\xab\xab\xab-boundary-16-")[:boundaryLen]
		if bytes.Contains(printed, boundary[:3]) && bytes.Contains(printed, boundary) {
			return
		}
		var all []byte
		for i, chunk := range chunked(boundary, 'A', body, int(size)+1) {
			if i < len(printed) {
				all = append(all, printed[i])
			}
			all = append(all, chunk...)
		}
		n := len(chunked(boundary, 'A', body, int(size)+1))
		if n < len(printed) {
			all = append(all, printed[n:]...)
		}
		s := &splitter{boundary: boundary, keep: len(printed)}
		for rest := all; len(rest) > 0; {
			k := min(int(piece)+1, len(rest))
			_, _ = s.Write(rest[:k])
			rest = rest[k:]
		}
		if got := s.stdout(); !bytes.Equal(got, printed) {
			t.Errorf("printed %q, want %q", got, printed)
		}
		kind, got, ok := s.answer()
		if !ok || kind != 'A' || !bytes.Equal(got, body) {
			t.Errorf("%v %c %q, want %q", ok, kind, got, body)
		}
	})
}

// FuzzAnswer takes any joined reply: it never panics and never reads past it.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte("\xff\xff\xff\xffAxx"))
	f.Add([]byte("\x00\x00\x00\x02Axx"))
	f.Fuzz(func(t *testing.T, reply []byte) {
		s := &splitter{boundary: make([]byte, boundaryLen), reply: reply}
		if _, body, ok := s.answer(); ok && len(body) > len(reply)-5 {
			t.Error("longer than what came")
		}
	})
}

func TestSplitKeepsMemoryBounded(t *testing.T) {
	s := &splitter{boundary: bytes.Repeat([]byte{7}, boundaryLen), keep: 100}
	flood := bytes.Repeat(append(bytes.Repeat([]byte{7}, boundaryLen), 0xff, 0xff), 1)
	flood = append(flood, make([]byte, 0xffff)...)
	for range 2 * maxReply / len(flood) {
		_, _ = s.Write(flood)
		_, _ = s.Write([]byte("print"))
	}
	if len(s.printed) > 100 || len(s.reply) > maxReply || len(s.rest) > 1<<17 {
		t.Errorf("keeps %d, %d, %d bytes", len(s.printed), len(s.reply), len(s.rest))
	}
}

func TestBriefIsFitToShow(t *testing.T) {
	got := brief("\x1b[2Jbad\x00\xff" + string(bytes.Repeat([]byte("é"), 300)) + "\nmore")
	if bytes.ContainsAny([]byte(got), "\x1b\x00\n") || len(got) > 210 {
		t.Errorf("%q", got)
	}
}
