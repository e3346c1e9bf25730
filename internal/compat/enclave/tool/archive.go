package tool

import (
	"archive/tar"
	"bytes"
	"context"
	"time"
)

// entry is a file or directory to write. A directory's name ends in a slash.
type entry struct {
	name    string
	content []byte
}

const block = 512

// Files are readable and writable by all, directories too: the sandbox is one
// caller's alone, and its programs may run as another user than uploads.
const (
	fileMode      = 0o666
	directoryMode = 0o777
)

// put writes files below scratch. The archive is a buffer of its own: an engine
// may still read of it for a moment after Put has returned.
func (p Place) put(ctx context.Context, entries ...entry) error {
	size := 2 * block
	for _, e := range entries {
		size += 4*block + len(e.content)
	}
	var buf bytes.Buffer
	buf.Grow(size)
	w := tar.NewWriter(&buf)
	now := time.Now().Truncate(time.Second)
	for _, e := range entries {
		h := tar.Header{Typeflag: tar.TypeReg, Name: e.name, Mode: fileMode, Size: int64(len(e.content)), ModTime: now}
		if e.name[len(e.name)-1] == '/' {
			h.Typeflag, h.Mode = tar.TypeDir, directoryMode
		}
		if err := w.WriteHeader(&h); err != nil {
			return err
		}
		if _, err := w.Write(e.content); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return p.Sandbox.Put(ctx, scratch, bytes.NewReader(buf.Bytes()))
}
