package tree

import (
	"bytes"
	"fmt"
	"io"
	"math"
)

// bounded ends a stream that is longer than any archive within the bounds can
// be: headers alone, which make no entry, could go on for ever.
func (u *unpacker) bounded(r io.Reader) io.Reader {
	const slack, perEntry = 64 << 20, 8 << 10
	if u.bytes > math.MaxInt64/4 || u.entries > math.MaxInt64/4/perEntry {
		return r
	}
	return &boundedReader{r: r, left: u.bytes + int64(u.entries)*perEntry + slack}
}

type boundedReader struct {
	r    io.Reader
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("%w: the archive is longer than its bounds allow", ErrTooMuch)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// endMark watches for the zeros that end an archive. The tar reader takes the
// end of the stream for the end of the archive too, and then an upload that was
// cut between two entries would look whole.
type endMark struct {
	r     io.Reader
	ended bool
	zeros int // in a row, up to here
}

func (e *endMark) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	e.ended = e.ended || err == io.EOF
	run := n - len(bytes.TrimRight(p[:n], "\x00"))
	if run == n {
		run += e.zeros
	}
	e.zeros = min(run, 512)
	if err != nil && err != io.EOF {
		err = &readError{err}
	}
	return n, err
}

func (e *endMark) missing() bool { return e.ended && e.zeros < 512 }
