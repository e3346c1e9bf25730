package tool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// request is what the driver is asked.
type request struct {
	ID      string  `json:"id,omitempty"`
	Code    *string `json:"code,omitempty"`
	Timeout float64 `json:"timeout,omitempty"` // seconds, 0 is none
	// Interrupt is the ID of a cell that nobody waits for any more.
	Interrupt string `json:"interrupt,omitempty"`
}

// frame is what the driver answers. Ready comes once, first; all else belongs
// to a cell.
type frame struct {
	Ready  string `json:"ready"`
	Python string `json:"python"`

	ID        string           `json:"id"`
	Text      []byte           `json:"text"` // base64
	Result    *string          `json:"result"`
	Error     *string          `json:"error"`
	Rich      []map[string]any `json:"rich"`
	TimedOut  bool             `json:"timed_out"`
	Died      *string          `json:"died"`
	Truncated bool             `json:"truncated"`
}

// frames takes the driver's output apart. A cell can write there too, so
// nothing of it is believed beyond what that cell could say anyway.
type frames struct {
	most int // bytes of one frame
	// out has room for one frame: the driver sends one for each request.
	out chan frame
	// broken is told once of what is no frame, or one too many.
	broken func(error)

	buf    []byte
	failed error
}

var errFrame = errors.New("the kernel's channel is broken")

// Write never blocks.
func (f *frames) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && f.failed == nil {
		line, rest, whole := bytes.Cut(p, []byte{'\n'})
		if len(f.buf)+len(line) > f.most {
			f.fail(fmt.Errorf("%w: a frame of more than %d bytes", errFrame, f.most))
			break
		}
		f.buf = append(f.buf, line...)
		if !whole {
			break
		}
		f.take(f.buf)
		f.buf = f.buf[:0]
		if cap(f.buf) > keptBuffer {
			f.buf = nil
		}
		p = rest
	}
	if f.failed != nil {
		f.buf = nil
		return 0, f.failed
	}
	return n, nil
}

// keptBuffer is how much memory a kernel that waits may hold for frames.
const keptBuffer = 64 << 10

func (f *frames) take(line []byte) {
	var got frame
	if err := json.Unmarshal(line, &got); err != nil {
		f.fail(fmt.Errorf("%w: %w", errFrame, err))
		return
	}
	select {
	case f.out <- got:
	default:
		f.fail(fmt.Errorf("%w: an answer that nobody asked for", errFrame))
	}
}

func (f *frames) fail(err error) {
	f.failed = err
	f.broken(err)
}

// tail keeps the last bytes of what is written to it.
type tail struct{ b []byte }

const tailSize = 2 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p[max(0, len(p)-tailSize):]...)
	if len(t.b) > tailSize {
		t.b = append(t.b[:0], t.b[len(t.b)-tailSize:]...)
	}
	return len(p), nil
}
