package enginetest

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"path"

	"cupel.dev/cupel"
)

// entry is one member of an archive.
type entry struct {
	name, body, link string
	kind             byte
	mode             int64
}

func file(name, body string) entry {
	return entry{name: name, body: body, kind: tar.TypeReg, mode: 0o644}
}

func symlink(name, target string) entry {
	return entry{name: name, link: target, kind: tar.TypeSymlink, mode: 0o777}
}

// pack writes an archive, however odd.
func (c *check) pack(entries ...entry) io.Reader {
	c.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range entries {
		h := &tar.Header{Typeflag: e.kind, Name: e.name, Linkname: e.link, Mode: e.mode, Size: int64(len(e.body))}
		if e.kind == tar.TypeChar || e.kind == tar.TypeBlock {
			h.Devmajor, h.Devminor = 1, 3
		}
		if err := w.WriteHeader(h); err != nil {
			c.Fatalf("pack %s: %v", e.name, err)
		}
		if _, err := io.WriteString(w, e.body); err != nil {
			c.Fatalf("pack %s: %v", e.name, err)
		}
	}
	if err := w.Close(); err != nil {
		c.Fatal(err)
	}
	return &buf
}

// put unpacks entries, which must succeed.
func (c *check) put(sb cupel.Sandbox, dir string, entries ...entry) {
	c.Helper()
	if err := sb.Put(c.ctx, dir, c.pack(entries...)); err != nil {
		c.Fatalf("put below %s: %v", dir, err)
	}
}

// tryGet reads what Get gives, by clean name, and all its bytes.
func (c *check) tryGet(sb cupel.Sandbox, name string) (map[string]entry, []byte, error) {
	r, err := sb.Get(c.ctx, name)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	const most = 64 << 20
	raw, err := io.ReadAll(io.LimitReader(r, most))
	if err != nil {
		return nil, raw, err
	}
	got := map[string]entry{}
	for tr := tar.NewReader(bytes.NewReader(raw)); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return got, raw, nil
		}
		if err != nil {
			return got, raw, err
		}
		body, err := io.ReadAll(tr)
		if err != nil {
			return got, raw, err
		}
		got[path.Clean(h.Name)] = entry{h.Name, string(body), h.Linkname, h.Typeflag, h.Mode & 0o7777}
	}
}

// get is tryGet of what must be there.
func (c *check) get(sb cupel.Sandbox, name string) map[string]entry {
	c.Helper()
	got, _, err := c.tryGet(sb, name)
	if err != nil {
		c.Fatalf("get %s: %v", name, err)
	}
	return got
}
