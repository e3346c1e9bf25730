package remote

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"cupel.dev/cupel"
)

// upload puts files of ours into a directory of a call's own.
func (s *Sandbox) upload(ctx context.Context, dir string, files map[string][]byte) error {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for name, body := range files {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, Size: int64(len(body))}); err != nil {
			return cupel.Errorf(cupel.Internal, "exec", "%w", err)
		}
		if _, err := w.Write(body); err != nil {
			return cupel.Errorf(cupel.Internal, "exec", "%w", err)
		}
	}
	if err := w.Close(); err != nil {
		return cupel.Errorf(cupel.Internal, "exec", "%w", err)
	}
	return s.engine.server.archive(ctx, s.id, dir, int64(buf.Len()), func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(buf.Bytes())), nil
	})
}

// Put unpacks a tar below dir. The whole archive is checked before anything is
// sent.
func (s *Sandbox) Put(ctx context.Context, dir string, r io.Reader) error {
	if s.isClosed() {
		return errClosed("put")
	}
	if err := checkPath("dir", dir); err != nil {
		return err
	}
	ctx, done, err := s.begin(ctx, "put")
	if err != nil {
		return err
	}
	defer done()
	upload := &spool{}
	checked := make(chan struct{})
	go func() {
		err = repackUpload(upload, r, int64(s.spec.Limits.Disk), s.spec.Limits.Inodes)
		close(checked)
	}()
	select {
	case <-checked:
		defer upload.close()
	case <-ctx.Done():
		go func() { <-checked; upload.close() }() // when the caller's reader lets go
		return canceled(ctx, "put "+dir)
	}
	if err != nil {
		return putError(dir, err)
	}
	err = s.engine.server.archive(ctx, s.id, path.Clean(dir), upload.size, upload.open)
	s.abandon(err)
	return err
}

func putError(dir string, err error) error {
	if cupel.KindOf(err) != cupel.Internal {
		return err
	}
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) {
		return cupel.Errorf(cupel.Invalid, "put "+dir, "not a whole tar: %w", err)
	}
	return cupel.Errorf(cupel.Internal, "put "+dir, "%w", err)
}

// checkPath wants an absolute path.
func checkPath(field, p string) error {
	if !strings.HasPrefix(p, "/") || strings.ContainsRune(p, 0) || slices.Contains(strings.Split(p, "/"), "..") {
		return cupel.Invalidf(field, p, "give an absolute path without '..'")
	}
	return nil
}

// Get streams path as a tar.
func (s *Sandbox) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if s.isClosed() {
		return nil, errClosed("get")
	}
	if err := checkPath("path", name); err != nil {
		return nil, err
	}
	ctx, done, err := s.begin(ctx, "get")
	if err != nil {
		return nil, err
	}
	c := newCall()
	dir, base := path.Split(path.Clean(name))
	if base == "" {
		base = "."
	}
	f, err := s.script(ctx, "get "+name, c, fmt.Sprintf("dir=%s name=%s\n", quote(dir), quote(base)), packScript)
	if err == nil {
		err = packed(name, f)
	}
	if err != nil {
		s.abandon(err)
		done()
		return nil, err
	}
	first, err := f.data("out")
	if err != nil {
		done()
		return nil, cupel.Errorf(cupel.Internal, "get "+name, "%w", err)
	}
	pr, pw := io.Pipe()
	stop := context.AfterFunc(ctx, func() { pw.CloseWithError(canceled(ctx, "get "+name)) })
	go func() {
		body, end := s.stream(ctx, c, first, int64(f.number("out.more", 0)))
		err := repackDownload(pw, body)
		end()
		stop()
		pw.CloseWithError(err)
	}()
	return &download{pr, done}, nil
}

// download is what Get returns.
type download struct {
	*io.PipeReader
	done func()
}

func (d *download) Close() error {
	err := d.PipeReader.Close()
	d.done()
	return err
}

// packed says what came of packing.
func packed(name string, f frame) error {
	op := "get " + name
	switch what := f["fail"]; what {
	case "":
	case "gone":
		return cupel.Errorf(cupel.NotFound, op, "there is no such file")
	case "tar":
		return cupel.Errorf(cupel.Unsupported, op, "the image has no tar").WithHint("use an image with tar, such as " + DefaultImage)
	default:
		return cupel.Errorf(cupel.Internal, op, "%s failed", what)
	}
	// tar exits with 1 when a file changed while it was read, with 2 when it
	// left one out, such as one of /proc; both have written an archive.
	if code := f.number("code", 0); code > 2 || code < 0 {
		return cupel.Errorf(cupel.Internal, op, "tar exited with %d", code)
	}
	return nil
}

// stream reads what came with a frame, then fetches the rest. The caller calls
// end when it needs no more.
func (s *Sandbox) stream(ctx context.Context, c call, first []byte, more int64) (body io.Reader, end func()) {
	if more <= 0 {
		return bytes.NewReader(first), func() {}
	}
	pr, pw := io.Pipe()
	go func() {
		err := s.fetch(ctx, c, "out", more, pw)
		s.discard(ctx, c)
		pw.CloseWithError(err)
	}()
	return io.MultiReader(bytes.NewReader(first), pr), func() { _ = pr.Close() }
}

// fetch copies a file of a call's directory.
func (s *Sandbox) fetch(ctx context.Context, c call, name string, size int64, to io.Writer) error {
	const part = partBlocks * blockSize
	for at := int64(0); at < size; at += part {
		f, err := s.script(ctx, "fetch", c, fmt.Sprintf("part=%d parts=%d name=%s\n", at/blockSize, partBlocks, name), fetchScript)
		if err != nil {
			return err
		}
		data, err := f.data("out")
		if err != nil || int64(len(data)) != min(part, size-at) {
			return cupel.Errorf(cupel.Internal, "fetch", "%d bytes came of %d (%v)", len(data), min(part, size-at), err)
		}
		if _, err := to.Write(data); err != nil {
			return err
		}
	}
	return nil
}

// discard removes a call's directory. What stays goes with the sandbox.
func (s *Sandbox) discard(ctx context.Context, c call) {
	if ctx.Err() == nil {
		_, _ = s.script(ctx, "discard", c, "part=\n", fetchScript)
	}
}
