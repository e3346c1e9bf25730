package grade

import (
	"bytes"
	"encoding/binary"
)

const boundaryLen = 16

// maxReply bounds the joined chunks of a run. The driver keeps below it; what
// a program forges beyond it is dropped.
const maxReply = 20 << 20

// splitter is the stdout of a run: it takes the driver's chunks out of what
// the program prints. Its memory is bounded by keep and maxReply whatever is
// written, in whatever pieces.
type splitter struct {
	boundary []byte
	keep     int

	printed []byte // the beginning of the program's own output
	reply   []byte // chunks joined
	rest    []byte // what may be the beginning of a chunk
}

// Write never fails.
func (s *splitter) Write(p []byte) (int, error) {
	n := len(p)
	if len(s.rest) > 0 {
		p = append(s.rest, p...)
		s.rest = nil
	}
	for {
		at := bytes.Index(p, s.boundary)
		if at < 0 {
			held := partialBoundary(p, s.boundary)
			s.print(p[:len(p)-held])
			s.rest = bytes.Clone(p[len(p)-held:])
			return n, nil
		}
		s.print(p[:at])
		head := p[at+boundaryLen:]
		if len(head) < 2 || len(head)-2 < int(binary.BigEndian.Uint16(head)) {
			s.rest = bytes.Clone(p[at:])
			return n, nil
		}
		end := 2 + int(binary.BigEndian.Uint16(head))
		if len(s.reply)+end <= maxReply {
			s.reply = append(s.reply, head[2:end]...)
		}
		p = head[end:]
	}
}

func (s *splitter) print(p []byte) {
	s.printed = append(s.printed, p[:min(len(p), s.keep-len(s.printed))]...)
}

// stdout is what the program printed, once all was written.
func (s *splitter) stdout() []byte {
	if !bytes.HasPrefix(s.rest, s.boundary) {
		s.print(s.rest)
	}
	s.rest = nil
	return s.printed
}

// answer returns the kind and the body of the first complete reply.
func (s *splitter) answer() (kind byte, body []byte, ok bool) {
	if len(s.reply) < 5 {
		return 0, nil, false
	}
	n := int64(binary.BigEndian.Uint32(s.reply))
	if n > int64(len(s.reply)-5) {
		return 0, nil, false
	}
	return s.reply[4], s.reply[5 : 5+n], true
}

// partialBoundary is the length of the longest end of p that begins boundary.
func partialBoundary(p, boundary []byte) int {
	for n := min(len(p), len(boundary)-1); n > 0; n-- {
		if bytes.Equal(p[len(p)-n:], boundary[:n]) {
			return n
		}
	}
	return 0
}

// head keeps the first bytes of a stream.
type head struct {
	keep int
	data []byte
}

func (h *head) Write(p []byte) (int, error) {
	h.data = append(h.data, p[:min(len(p), h.keep-len(h.data))]...)
	return len(p), nil
}
