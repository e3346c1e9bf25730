package dataset

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"cupel.dev/cupel"
)

// maxData bounds a file's decompressed size.
const maxData = 1 << 30

// file is a data file in memory.
type file struct {
	path   string
	data   []byte
	sha256 string
}

// load reads a file, decompressing it when it starts like gzip, whatever its
// name says.
func load(path string) (*file, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		if data, err = gunzip(data); err != nil {
			return nil, cupel.Errorf(cupel.Invalid, "read data", "%s: broken gzip: %v", path, err)
		}
	}
	return newFile(path, data), nil
}

func newFile(path string, data []byte) *file {
	sum := sha256.Sum256(data)
	return &file{path: path, data: data, sha256: hex.EncodeToString(sum[:])}
}

func gunzip(data []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(z, maxData+1))
	if err == nil && len(out) > maxData {
		err = fmt.Errorf("more than %v decompressed", cupel.Size(maxData))
	}
	return out, err
}

// isArray reports whether the file is one JSON array instead of lines.
func (f *file) isArray() bool {
	return bytes.HasPrefix(bytes.TrimLeft(f.data, " \t\r\n\ufeff"), []byte("["))
}

// rows calls row for each JSON object of the file, with where it stands. An
// error of row is returned as it is.
func (f *file) rows(row func(at place, raw []byte) error) error {
	if f.isArray() {
		return f.array(row)
	}
	return Lines(f.path, f.data, func(line int, raw []byte) error {
		return row(place{file: f.path, line: line, column: 1, data: raw}, raw)
	})
}

// Lines calls row for each line of JSONL data that is not blank, counting from
// 1. A byte order mark is skipped.
func Lines(path string, data []byte, row func(line int, raw []byte) error) error {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	for n := 1; len(data) > 0; n++ {
		var raw []byte
		raw, data, _ = bytes.Cut(data, []byte("\n"))
		if len(bytes.TrimSpace(raw)) == 0 {
			continue
		}
		if err := row(n, raw); err != nil {
			return err
		}
	}
	return nil
}

func (f *file) array(row func(at place, raw []byte) error) error {
	data := bytes.TrimPrefix(f.data, []byte("\ufeff"))
	whole := place{file: f.path, line: 1, column: 1, data: data}
	// The decoder's own offsets are off by what it buffers, Unmarshal's not.
	if err := json.Unmarshal(data, new(json.RawMessage)); err != nil {
		return whole.broken(err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if _, err := d.Token(); err != nil {
		return whole.broken(err)
	}
	for d.More() {
		start := d.InputOffset()
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return whole.broken(err)
		}
		start += int64(bytes.IndexByte(data[start:], raw[0]))
		at := whole.after(start)
		at.data = raw
		if err := row(at, raw); err != nil {
			return err
		}
	}
	return nil
}

// place is where a row starts; columns count characters from 1.
type place struct {
	file         string
	line, column int
	data         []byte
}

func (p place) String() string { return fmt.Sprintf("%s:%d:%d", p.file, p.line, p.column) }

// after returns the place offset bytes into p's data.
func (p place) after(offset int64) place {
	before := p.data[:min(max(offset, 0), int64(len(p.data)))]
	if n := bytes.Count(before, []byte("\n")); n > 0 {
		p.line += n
		p.column = 1
		before = before[bytes.LastIndexByte(before, '\n')+1:]
	}
	p.column += utf8.RuneCount(before)
	return p
}

// Broken is the error for a broken line of JSONL data: it names file, line
// and column.
func Broken(path string, line int, raw []byte, err error) error {
	return place{file: path, line: line, column: 1, data: raw}.broken(err)
}

// broken is the error for a row that can't be read, at the column that the
// JSON decoder names.
func (p place) broken(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	at, what := p, err.Error()
	switch {
	case errors.As(err, &syntax) && syntax.Offset == int64(len(p.data)) && strings.HasPrefix(what, "unexpected end"):
		at, what = p.after(syntax.Offset), "the data ends in the middle of a value"
	case errors.As(err, &syntax):
		at = p.after(syntax.Offset - 1)
	case errors.As(err, &kind):
		at = p.after(kind.Offset - 1)
		what = fmt.Sprintf("field %q is a JSON %s where a %s belongs", kind.Field, kind.Value, kind.Type)
		if kind.Field == "" {
			what = "a JSON " + kind.Value + " where an object belongs"
		}
	}
	return cupel.Errorf(cupel.Invalid, "read data", "%s: %s", at, strings.TrimPrefix(what, "json: "))
}

// missing is the error for a row without a field.
func (p place) missing(field string) error {
	return cupel.Errorf(cupel.Invalid, "read data", "%s: field %q is missing or empty", p, field)
}

// text is a JSON string or number, kept as it is written.
type text string

// UnmarshalJSON accepts a string, or a number as its digits.
func (t *text) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] != '"' {
		var n json.Number
		if err := json.Unmarshal(raw, &n); err != nil || string(raw) == "null" {
			return errors.New(`field "task_id" is neither a string nor a number`)
		}
		*t = text(n)
		return nil
	}
	return json.Unmarshal(raw, (*string)(t))
}

// unique remembers where each task was first seen.
type unique map[string]place

func (u unique) add(id string, at place) error {
	if first, ok := u[id]; ok {
		return cupel.Errorf(cupel.Invalid, "read data", "%s: task %q was there already, on line %d", at, id, first.line)
	}
	u[id] = at
	return nil
}
