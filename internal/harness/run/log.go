package run

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/harness"
)

// log is attempts.jsonl. Each line is one write, so that a kill tears at most
// the last. The file is synced at most once in syncEvery and at the end: what
// a power cut loses is judged again.
type log struct {
	mu     sync.Mutex
	file   *os.File
	size   int64
	synced time.Time
	broken error
}

const syncEvery = time.Second

// openLog opens the file, cuts a torn last line off and calls each for every
// attempt there.
func openLog(path string, each func(harness.Attempt)) (*log, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, writeError(err)
	}
	size, err := scan(f, path, each)
	if err == nil {
		err = cutAt(f, size)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &log{file: f, size: size, synced: time.Now()}, nil
}

func cutAt(f *os.File, size int64) error {
	info, err := f.Stat()
	if err == nil && info.Size() > size {
		err = f.Truncate(size)
	}
	if err != nil {
		return writeError(err)
	}
	return nil
}

// scan reads the whole lines and returns where they end.
func scan(f io.Reader, path string, each func(harness.Attempt)) (int64, error) {
	r := bufio.NewReaderSize(f, 1<<16)
	var size int64
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return size, nil
		}
		if err != nil {
			return size, cupel.Errorf(cupel.Internal, "read attempts", "%s: %w", path, err)
		}
		a, err := parse(line)
		if err != nil {
			return size, cupel.Errorf(cupel.Invalid, "read attempts", "%s:%d: %w", path, n, err).
				WithHint("the file was changed by something else; restore it, delete that line or give another --out")
		}
		size += int64(len(line))
		each(a)
	}
}

func parse(line []byte) (harness.Attempt, error) {
	var a harness.Attempt
	if err := json.Unmarshal(bytes.TrimSuffix(line, []byte("\n")), &a); err != nil {
		return a, fmt.Errorf("broken line: %w", err)
	}
	switch a.Verdict {
	case harness.Passed, harness.Failed, harness.Errored:
	default:
		return a, fmt.Errorf("verdict %q is none", a.Verdict)
	}
	if a.Dataset == "" || a.TaskID == "" || a.Attempt < 0 {
		return a, errors.New("dataset, task_id or attempt is missing")
	}
	return a, nil
}

// append writes one attempt. After a failed write nothing more is written.
func (l *log) append(a harness.Attempt) error {
	line, err := encode(a)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return l.broken
	}
	n, err := l.file.Write(line)
	if err != nil {
		l.broken = writeError(err)
		if n > 0 {
			_ = l.file.Truncate(l.size)
		}
		return l.broken
	}
	l.size += int64(n)
	if time.Since(l.synced) < syncEvery {
		return nil
	}
	l.synced = time.Now()
	return l.syncLocked()
}

// encode writes an attempt as a line, without the escapes that make code hard
// to read.
func encode(a harness.Attempt) ([]byte, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(a); err != nil {
		return nil, cupel.Errorf(cupel.Internal, "encode attempt", "%w", err)
	}
	return buf.Bytes(), nil
}

func (l *log) sync() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.syncLocked()
}

func (l *log) syncLocked() error {
	if err := l.file.Sync(); err != nil {
		l.broken = writeError(err)
		return l.broken
	}
	return nil
}

func (l *log) close() error {
	err := l.sync()
	if cerr := l.file.Close(); err == nil && cerr != nil {
		err = writeError(cerr)
	}
	return err
}

func writeError(err error) error {
	return cupel.Errorf(cupel.Internal, "keep attempts", "%w", err).
		WithHint("check that the output folder is writable and its disk not full; the same command goes on from here")
}
