package remote

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"cupel.dev/cupel"
)

// repackUpload copies an archive entry by entry, refusing what Put refuses.
func repackUpload(to io.Writer, from io.Reader, maxBytes int64, maxEntries int) error {
	mark := &endMark{r: from}
	r, w := tar.NewReader(mark), tar.NewWriter(to)
	brought := map[string]bool{}
	for n := 0; ; n++ {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			if n > 0 && !mark.seen() {
				return io.ErrUnexpectedEOF
			}
			return w.Close()
		}
		if err != nil {
			return err
		}
		if maxBytes -= h.Size; maxBytes < 0 || n >= maxEntries {
			return cupel.Errorf(cupel.Exhausted, "put", "the archive is larger than the sandbox's limits on disk and inodes").
				WithHint("put less at once")
		}
		if err := checkEntry(h, brought); err != nil {
			return refusedEntry(h.Name, err)
		}
		if err := copyEntry(w, r, h); err != nil {
			return err
		}
	}
}

// checkEntry refuses names that lead out and what is neither file, directory
// nor link. Hard links may lead to what the archive brought itself.
func checkEntry(h *tar.Header, brought map[string]bool) error {
	if err := checkName(h.Name); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeReg:
		brought[path.Clean(h.Name)] = true
	case tar.TypeDir, tar.TypeSymlink:
	case tar.TypeLink:
		if err := checkName(h.Linkname); err != nil {
			return err
		}
		if !brought[path.Clean(h.Linkname)] {
			return errors.New("a hard link to what the archive did not bring")
		}
	default:
		return fmt.Errorf("a kind of entry that is not made (%q)", h.Typeflag)
	}
	return nil
}

func checkName(name string) error {
	switch {
	case strings.HasPrefix(name, "/"):
		return errors.New("an absolute name")
	case strings.ContainsRune(name, 0):
		return errors.New("a NUL in the name")
	case slices.Contains(strings.Split(name, "/"), ".."):
		return errors.New(`".." in the name`)
	}
	return nil
}

func refusedEntry(name string, err error) error {
	const most = 200
	if len(name) > most {
		name = name[:most] + "…"
	}
	return cupel.Errorf(cupel.Invalid, "put", "entry %q: %w", name, err)
}

// copyEntry writes an entry as the sandbox's root's, without setuid bits.
func copyEntry(w *tar.Writer, body io.Reader, h *tar.Header) error {
	out := tar.Header{Typeflag: h.Typeflag, Name: h.Name, Linkname: h.Linkname, Size: h.Size,
		Mode: h.Mode & 0o1777, ModTime: h.ModTime}
	if err := w.WriteHeader(&out); err != nil {
		return refusedEntry(h.Name, err)
	}
	_, err := io.Copy(w, body)
	return err
}

// repackDownload copies what Get gives: files, directories and links, with
// names relative to the path's parent.
func repackDownload(to io.Writer, from io.Reader) error {
	r, w := tar.NewReader(from), tar.NewWriter(to)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return w.Close()
		}
		if err != nil {
			return broken(err)
		}
		name := path.Clean(h.Name)
		switch h.Typeflag {
		case tar.TypeDir:
			if name == "." {
				continue
			}
			name += "/"
		case tar.TypeReg, tar.TypeSymlink:
		case tar.TypeLink:
			h.Linkname = path.Clean(h.Linkname)
		default:
			continue
		}
		if strings.Contains(name, runDirPrefix) {
			continue // of calls under way
		}
		h.Name, h.Format, h.PAXRecords = name, tar.FormatUnknown, nil
		if err := w.WriteHeader(h); err != nil {
			return broken(err)
		}
		if _, err := io.Copy(w, r); err != nil {
			return broken(err)
		}
	}
}

func broken(err error) error {
	if cupel.KindOf(err) != cupel.Internal || errors.Is(err, io.ErrClosedPipe) {
		return err
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return cupel.Errorf(cupel.Internal, "get", "%w", err)
}

// endMark remembers whether the stream ended with the zeros of a whole tar.
type endMark struct {
	r     io.Reader
	zeros int
}

func (m *endMark) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if tail := bytes.TrimRight(p[:n], "\x00"); len(tail) > 0 {
		m.zeros = n - len(tail)
	} else {
		m.zeros += n
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = &sourceError{err}
	}
	return n, err
}

func (m *endMark) seen() bool { return m.zeros >= 512 }

// spool keeps an archive until it is sent: a small one in memory, a large one
// in a file that has no name.
type spool struct {
	small bytes.Buffer
	file  *os.File
	size  int64
}

const maxInMemory = 8 << 20

func (s *spool) Write(p []byte) (int, error) {
	if s.file == nil && s.small.Len()+len(p) > maxInMemory {
		f, err := os.CreateTemp("", "cupel-put-")
		if err != nil {
			return 0, &sourceError{err}
		}
		_ = os.Remove(f.Name())
		s.file = f
		if _, err := f.Write(s.small.Bytes()); err != nil {
			return 0, &sourceError{err}
		}
		s.small = bytes.Buffer{}
	}
	s.size += int64(len(p))
	if s.file != nil {
		return s.file.Write(p)
	}
	return s.small.Write(p)
}

// open reads from the start.
func (s *spool) open() (io.ReadCloser, error) {
	if s.file != nil {
		return io.NopCloser(io.NewSectionReader(s.file, 0, s.size)), nil
	}
	return io.NopCloser(bytes.NewReader(s.small.Bytes())), nil
}

// close lets go of the file.
func (s *spool) close() {
	if s.file != nil {
		_ = s.file.Close() // nameless and only read: nothing is lost
	}
}
