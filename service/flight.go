package service

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
)

// flight keeps one value per key and starts each once, however many ask for it
// at the same time. A caller that stops waiting does not stop the start; a
// start that fails is told to all who wait for it and then forgotten, so that
// the next caller tries again.
type flight[K comparable, V any] struct {
	mu     sync.Mutex
	starts map[K]*start[V]
}

type start[V any] struct {
	done  chan struct{}
	value V
	err   error
}

func (f *flight[K, V]) do(ctx context.Context, key K, make func() (V, error)) (V, error) {
	f.mu.Lock()
	s := f.starts[key]
	if s == nil {
		s = f.begin(key, make)
	}
	f.mu.Unlock()
	select {
	case <-s.done:
		return s.value, s.err
	default:
	}
	select {
	case <-s.done:
		return s.value, s.err
	case <-ctx.Done():
		var zero V
		return zero, canceled(ctx, "start")
	}
}

// begin starts key; f.mu is held.
func (f *flight[K, V]) begin(key K, make func() (V, error)) *start[V] {
	s := &start[V]{done: newSignal()}
	if f.starts == nil {
		f.starts = map[K]*start[V]{}
	}
	f.starts[key] = s
	go func() {
		s.value, s.err = make()
		if s.err != nil {
			f.mu.Lock()
			delete(f.starts, key)
			f.mu.Unlock()
		}
		close(s.done)
	}()
	return s
}

// wait returns every value, after the starts under way ended. No new start may
// begin meanwhile.
func (f *flight[K, V]) wait() []V {
	f.mu.Lock()
	starts := make([]*start[V], 0, len(f.starts))
	for _, s := range f.starts {
		starts = append(starts, s)
	}
	f.mu.Unlock()
	var values []V
	for _, s := range starts {
		if <-s.done; s.err == nil {
			values = append(values, s.value)
		}
	}
	return values
}

// forget removes the started values that old picks, so that the next caller
// starts anew, and gives each to end.
func (f *flight[K, V]) forget(old func(V) bool, end func(V)) {
	f.mu.Lock()
	var gone []V
	for key, s := range f.starts {
		select {
		case <-s.done:
			if s.err == nil && old(s.value) {
				delete(f.starts, key)
				gone = append(gone, s.value)
			}
		default:
		}
	}
	f.mu.Unlock()
	for _, v := range gone {
		end(v)
	}
}

func newSignal() chan struct{} { return make(chan struct{}) }

// canonicalJSON writes a document with sorted keys and without blanks; numbers
// stay as they were written.
func canonicalJSON(raw []byte) (string, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return "", err
	}
	if _, err := dec.Token(); err != io.EOF {
		return "", errors.New("more than one value")
	}
	switch v.(type) {
	case nil, map[string]any:
	default:
		return "", errors.New("not an object")
	}
	out, err := json.Marshal(v)
	return string(out), err
}
