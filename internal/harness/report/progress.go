package report

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"cupel.dev/cupel/internal/harness"
)

// Progress is told how a run goes. Its methods may be called from several
// goroutines.
type Progress interface {
	// Start says how many attempts there are and how many of them were judged
	// before.
	Start(total int, before Counts)
	// Done is called for each attempt that was judged.
	Done(a harness.Attempt)
	// Finish is called once, also when the run was interrupted.
	Finish()
}

// Counts counts attempts by their verdict.
type Counts struct{ Passed, Failed, Errored int }

// Add counts an attempt.
func (c *Counts) Add(v harness.Verdict) {
	switch v {
	case harness.Passed:
		c.Passed++
	case harness.Failed:
		c.Failed++
	default:
		c.Errored++
	}
}

// Sum is the number of attempts counted.
func (c Counts) Sum() int { return c.Passed + c.Failed + c.Errored }

// Silent shows nothing.
var Silent Progress = silent{}

type silent struct{}

func (silent) Start(int, Counts)    {}
func (silent) Done(harness.Attempt) {}
func (silent) Finish()              {}

// ProgressConfig says where progress is shown.
type ProgressConfig struct {
	// To is where it goes; standard error, normally.
	To io.Writer
	// Terminal draws a bar in place; otherwise plain lines come now and then.
	Terminal bool
	// Color colours the bar. Callers clear it when NO_COLOR is set.
	Color bool
	// Every is the least time between two plain lines. Default 10 s.
	Every time.Duration
}

// NewProgress shows a run's progress.
func NewProgress(cfg ProgressConfig) Progress {
	if cfg.Every <= 0 {
		cfg.Every = 10 * time.Second
	}
	return &shown{cfg: cfg}
}

type shown struct {
	cfg ProgressConfig

	mu sync.Mutex
	// before of all attempts were judged by an earlier run.
	total, before int
	counts        Counts
	drawn         int // counts.Sum() when the last line was written
	started, last time.Time
}

// frame is the least time between two drawings of the bar.
const frame = 100 * time.Millisecond

func (p *shown) Start(total int, before Counts) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total, p.before, p.counts = total, before.Sum(), before
	p.started = time.Now()
	p.last = p.started
	if p.before > 0 {
		_, _ = fmt.Fprintf(p.cfg.To, "resuming: %d of %d attempts are judged\n", p.before, total)
	}
	if p.cfg.Terminal {
		p.draw()
	}
}

func (p *shown) Done(a harness.Attempt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts.Add(a.Verdict)
	wait := p.cfg.Every
	if p.cfg.Terminal {
		wait = frame
	}
	if now := time.Now(); now.Sub(p.last) >= wait {
		p.last = now
		p.draw()
	}
}

func (p *shown) Finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cfg.Terminal {
		p.draw()
		_, _ = fmt.Fprintln(p.cfg.To)
	} else if p.drawn != p.counts.Sum() {
		p.draw()
	}
}

// draw writes the line, in place on a terminal.
func (p *shown) draw() {
	done := p.counts.Sum()
	p.drawn = done
	judged := done - p.before
	text := fmt.Sprintf("%d/%d  passed %d  failed %d  errored %d", done, p.total, p.counts.Passed, p.counts.Failed, p.counts.Errored)
	elapsed := time.Since(p.started).Seconds()
	if judged > 0 && elapsed > 0 {
		rate := float64(judged) / elapsed
		left := time.Duration(float64(p.total-done) / rate * float64(time.Second))
		text += fmt.Sprintf("  %.1f/s  %v left", rate, left.Round(time.Second))
	}
	if !p.cfg.Terminal {
		_, _ = fmt.Fprintln(p.cfg.To, text)
		return
	}
	_, _ = fmt.Fprintf(p.cfg.To, "\r\x1b[K%s  %s", p.bar(done), text)
}

func (p *shown) bar(done int) string {
	const width = 24
	full := width
	if p.total > 0 {
		full = width * done / p.total
	}
	head, tail := strings.Repeat("█", full), strings.Repeat("░", width-full)
	if p.cfg.Color {
		return "\x1b[32m" + head + "\x1b[0m\x1b[2m" + tail + "\x1b[0m"
	}
	return head + tail
}
