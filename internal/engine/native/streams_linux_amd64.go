package native

import (
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"cupel.dev/cupel"
)

// streams are the three pipes of a run. Programs never get a file of the
// caller's: through /proc/self/fd it could be opened again with more rights.
type streams struct {
	stdin          io.Reader
	inR, inW       *os.File
	out, err       capture
	done           sync.WaitGroup
	flood          chan struct{} // closed when a stream is past its bound
	floodOnce      sync.Once
	stdoutW, stdW2 *os.File
}

// capture drains one output stream: it keeps up to limit bytes and counts all.
type capture struct {
	r     *os.File
	w     io.Writer // nil discards
	limit int64
	total atomic.Int64
}

func openStreams(cmd cupel.Cmd, limit cupel.Size) (s *streams, err error) {
	s = &streams{stdin: cmd.Stdin, flood: make(chan struct{})}
	s.out = capture{w: cmd.Stdout, limit: int64(limit)}
	s.err = capture{w: cmd.Stderr, limit: int64(limit)}
	if s.inR, s.inW, err = os.Pipe(); err != nil {
		return nil, err
	}
	if s.out.r, s.stdoutW, err = os.Pipe(); err == nil {
		s.err.r, s.stdW2, err = os.Pipe()
	}
	if err != nil {
		s.started()
		s.abandon()
		return nil, err
	}
	return s, nil
}

// give makes the program's ends its user's own, so that it may open them once
// more by /dev/stdin and its kin.
func (s *streams) give(uid, gid int) error {
	for _, f := range []*os.File{s.inR, s.stdoutW, s.stdW2} {
		if err := f.Chown(uid, gid); err != nil {
			return err
		}
	}
	return nil
}

// childFDs are the program's ends.
func (s *streams) childFDs() [3]int {
	return [3]int{int(s.inR.Fd()), int(s.stdoutW.Fd()), int(s.stdW2.Fd())}
}

// started closes the program's ends, which it has its own copies of.
func (s *streams) started() { closeAll(s.inR, s.stdoutW, s.stdW2) }

// abandon closes our ends when nothing was started.
func (s *streams) abandon() { closeAll(s.inW, s.out.r, s.err.r) }

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// pump starts moving bytes.
func (s *streams) pump() {
	if s.stdin == nil {
		s.inW.Close()
	} else {
		// Not waited for: a reader that blocks for ever, such as a terminal,
		// must not hold a run that is over.
		go func() {
			_, _ = io.Copy(onlyWriter{s.inW}, s.stdin)
			s.inW.Close()
		}()
	}
	s.done.Add(2)
	go s.drain(&s.out)
	go s.drain(&s.err)
}

// onlyWriter hides ReadFrom: splicing from the caller's files is not wanted.
type onlyWriter struct{ io.Writer }

var buffers = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

// drain reads a stream to its end, passing on what may be kept.
func (s *streams) drain(c *capture) {
	defer s.done.Done()
	defer c.r.Close()
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for {
		n, err := c.r.Read(*buf)
		before := c.total.Add(int64(n)) - int64(n)
		if keep := min(c.limit-before, int64(n)); keep > 0 && c.w != nil {
			if _, werr := c.w.Write((*buf)[:keep]); werr != nil {
				c.w = nil
			}
		}
		if before+int64(n) > c.limit*cupel.OutputFlood {
			s.floodOnce.Do(func() { close(s.flood) })
		}
		if err != nil {
			return
		}
	}
}

func (c *capture) truncated() bool { return c.total.Load() > c.limit }

// finish waits until both streams are read to their ends; every process that
// could write to them is dead.
func (s *streams) finish() {
	s.inW.Close()
	deadline := time.Now().Add(settle)
	_ = s.out.r.SetReadDeadline(deadline)
	_ = s.err.r.SetReadDeadline(deadline)
	s.done.Wait()
}
