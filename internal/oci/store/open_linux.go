package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"cupel.dev/cupel/internal/linux/tree"
)

// Store is an open store. It is safe for concurrent use, also by several
// processes at once, and needs no closing.
type Store struct{ dir string }

type format struct {
	Schema int `json:"schema"`
}

// Open opens the store in dir, making it if there is none, and removes what
// dead processes left. A store of another schema is refused.
func Open(dir string) (*Store, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open the image store: %w", err)
	}
	s := &Store{dir: abs}
	if err := os.MkdirAll(abs, 0o711); err != nil {
		return nil, fmt.Errorf("open the image store: %w", err)
	}
	if err := s.checkFormat(); err != nil {
		return nil, err
	}
	// Others may go through to an image whose name they know, as the ids of a
	// sandbox must, and can list nothing.
	for _, sub := range []string{"images", "tmp", "locks", "index"} {
		if err := os.MkdirAll(filepath.Join(abs, sub), 0o711); err != nil {
			return nil, fmt.Errorf("open the image store: %w", err)
		}
	}
	return s, s.sweep()
}

func (s *Store) checkFormat() error {
	file := filepath.Join(s.dir, "format.json")
	var f format
	err := readJSON(file, &f)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return writeJSON(file, format{Schema: Schema})
	case err != nil:
		return fmt.Errorf("open the image store: %w", err)
	case f.Schema != Schema:
		return fmt.Errorf("open the image store: %s has schema %d, this program needs %d: remove the directory, or name another", s.dir, f.Schema, Schema)
	}
	return nil
}

// sweep removes what lies below tmp without somebody alive who holds its lock.
func (s *Store) sweep() error {
	entries, err := os.ReadDir(filepath.Join(s.dir, "tmp"))
	if err != nil {
		return fmt.Errorf("sweep the image store: %w", err)
	}
	for _, e := range entries {
		lock, err := s.tryLock(e.Name())
		if errors.Is(err, syscall.EWOULDBLOCK) {
			continue
		}
		if err != nil {
			return fmt.Errorf("sweep the image store: %w", err)
		}
		err = removeAll(filepath.Join(s.dir, "tmp"), e.Name())
		lock.Close()
		if err != nil {
			return fmt.Errorf("sweep the image store: %w", err)
		}
	}
	return nil
}

// removeAll removes an image, closed directories in it included.
func removeAll(dir, name string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return tree.RemoveAll(int(f.Fd()), name)
}

// tryLock takes the lock of key, which dies with its holder. Closing the file
// gives it back. EWOULDBLOCK: somebody else has it.
func (s *Store) tryLock(key string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(s.dir, "locks", key), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// lock waits for the lock of key. It asks again and again, since a wait in the
// kernel could not be ended by ctx.
func (s *Store) lock(ctx context.Context, key string) (*os.File, error) {
	wait := time.Millisecond
	for {
		f, err := s.tryLock(key)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return f, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
			wait = min(2*wait, 100*time.Millisecond)
		}
	}
}

func readJSON(file string, into any) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// writeJSON replaces file in one step.
func writeJSON(file string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".new-")
	if err != nil {
		return err
	}
	_, err = tmp.Write(append(b, '\n'))
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err
}
