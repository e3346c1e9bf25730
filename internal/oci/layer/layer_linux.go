package layer

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"cupel.dev/cupel/internal/linux/tree"
)

// ratioFrom is where the ratio starts to count: small archives of zeros are
// common and harm nobody.
const ratioFrom = 64 << 20

func (o Ownership) ids() tree.IDs {
	if o.SingleID {
		return tree.IDs{}
	}
	from := func(base int) func(int) (int, bool) {
		return func(id int) (int, bool) { return base + id, id >= 0 && id < o.IDs }
	}
	return tree.IDs{UID: from(o.UIDBase), GID: from(o.GIDBase)}
}

// Unpack unpacks the archive r into the directory dir, which must be empty and
// nobody else's business meanwhile. After an error dir holds a part of it, and
// the caller removes it. Errors of the archive itself have [tree.ErrRefused] or
// [tree.ErrTooMuch] in their chain or say that it is not a whole tar.
func Unpack(ctx context.Context, dir string, r io.Reader, o Options) (tree.Stats, error) {
	root, err := os.Open(dir)
	if err != nil {
		return tree.Stats{}, err
	}
	defer root.Close()
	plain, err := decompress(&countingReader{ctx: ctx, r: r}, o.MaxRatio)
	if err != nil {
		return tree.Stats{}, err
	}
	u := tree.UnpackOptions{IDs: o.ids(), MaxEntries: o.MaxEntries, MaxBytes: o.MaxBytes}
	if u.MaxEntries <= 0 {
		u.MaxEntries = DefaultMaxEntries
	}
	if u.MaxBytes <= 0 {
		u.MaxBytes = DefaultMaxBytes
	}
	stats, err := tree.Unpack(int(root.Fd()), plain, u)
	if err != nil {
		return stats, err
	}
	if stats.Entries == 0 {
		return stats, errors.New("the archive is empty")
	}
	// What follows the end mark is read as well: gzip has its checksum there.
	if _, err := io.Copy(io.Discard, plain); err != nil {
		return stats, fmt.Errorf("after the last entry: %w", err)
	}
	return stats, nil
}

// decompress looks at the first bytes for how r is compressed.
func decompress(r *countingReader, maxRatio int64) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	head, err := b.Peek(6)
	if err != nil && err != io.EOF {
		return nil, err
	}
	for _, c := range []struct{ magic, name, tool string }{
		{"\x28\xb5\x2f\xfd", "zstd", "zstd -d"},
		{"\xfd7zXZ\x00", "xz", "xz -d"},
		{"BZh", "bzip2", "bzip2 -d"},
		{"PK\x03\x04", "zip", "unzip"},
		{"hsqs", "squashfs", "unsquashfs"},
	} {
		if bytes.HasPrefix(head, []byte(c.magic)) {
			return nil, fmt.Errorf("%w: it is %s, which is not supported: unpack it with %s first", tree.ErrRefused, c.name, c.tool)
		}
	}
	if !bytes.HasPrefix(head, []byte("\x1f\x8b")) {
		return b, nil
	}
	z, err := gzip.NewReader(b)
	if err != nil {
		return nil, fmt.Errorf("read the gzip header: %w", err)
	}
	if maxRatio <= 0 {
		maxRatio = DefaultMaxRatio
	}
	return &ratioReader{r: z, in: r, most: maxRatio}, nil
}

// countingReader counts what is read, and ends when ctx does.
type countingReader struct {
	ctx context.Context
	r   io.Reader
	n   int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// ratioReader ends a stream that grows out of proportion to what it is made of.
type ratioReader struct {
	r    io.Reader
	in   *countingReader
	n    int64
	most int64
}

func (r *ratioReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.n += int64(n)
	if r.n > ratioFrom && r.n/r.most > r.in.n {
		return 0, fmt.Errorf("%w: it unpacks to over %d times its size", tree.ErrTooMuch, r.most)
	}
	return n, err
}
