package lang

import (
	"archive/tar"
	"bytes"
	"context"
	"maps"
	"slices"

	"cupel.dev/cupel"
)

// put writes the program's files into its work directory. The engine refuses
// names that lead out of it.
func (p Program) put(ctx context.Context, sb cupel.Sandbox) error {
	archive, err := p.archive()
	if err != nil || archive == nil {
		return err
	}
	return sb.Put(ctx, p.workDir(), bytes.NewReader(archive))
}

// archive packs the source and the files beside it, the source first, or is
// nil when there is nothing to write.
func (p Program) archive() ([]byte, error) {
	if p.Source == nil && len(p.Files) == 0 {
		return nil, nil
	}
	const block = 512
	var buf bytes.Buffer
	buf.Grow(len(p.Source) + 8*block)
	w := tar.NewWriter(&buf)
	if p.Source != nil {
		if err := add(w, p.Language.File, p.Source); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Files)) {
		if p.Source != nil && name == p.Language.File {
			return nil, cupel.Invalidf("file", name, "the program's own source has this name")
		}
		if err := add(w, name, p.Files[name]); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return buf.Bytes(), err
}

func add(w *tar.Writer, name string, content []byte) error {
	err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content))})
	if err != nil {
		return cupel.Invalidf("file", name, err.Error())
	}
	_, err = w.Write(content)
	return err
}
