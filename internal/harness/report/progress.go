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
	// Start says how many attempts there are and how many of them an earlier
	// run has done.
	Start(total, done int)
	// Done is called for each attempt that was judged.
	Done(a harness.Attempt)
	// Finish is called once, also when the run was interrupted.
	Finish()
}

// Silent shows nothing.
var Silent Progress = silent{}

type silent struct{}

func (silent) Start(int, int)       {}
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

	mu                      sync.Mutex
	total, before           int
	passed, failed, errored int
	started, last           time.Time
}

// frame is the least time between two drawings of the bar.
const frame = 100 * time.Millisecond

func (p *shown) Start(total, done int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total, p.before = total, done
	p.started = time.Now()
	p.last = p.started
	if done > 0 {
		_, _ = fmt.Fprintf(p.cfg.To, "resuming: %d of %d attempts are judged\n", done, total)
	}
	if p.cfg.Terminal {
		p.draw()
	}
}

func (p *shown) Done(a harness.Attempt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch a.Verdict {
	case harness.Passed:
		p.passed++
	case harness.Failed:
		p.failed++
	default:
		p.errored++
	}
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
	p.draw()
	if p.cfg.Terminal {
		_, _ = fmt.Fprintln(p.cfg.To)
	}
}

// draw writes the line, in place on a terminal.
func (p *shown) draw() {
	judged := p.passed + p.failed + p.errored
	text := fmt.Sprintf("%d/%d  passed %d  failed %d  errored %d", p.before+judged, p.total, p.passed, p.failed, p.errored)
	elapsed := time.Since(p.started).Seconds()
	if judged > 0 && elapsed > 0 {
		rate := float64(judged) / elapsed
		left := time.Duration(float64(p.total-p.before-judged) / rate * float64(time.Second))
		text += fmt.Sprintf("  %.1f/s  %v left", rate, left.Round(time.Second))
	}
	if !p.cfg.Terminal {
		_, _ = fmt.Fprintln(p.cfg.To, text)
		return
	}
	_, _ = fmt.Fprintf(p.cfg.To, "\r\x1b[K%s  %s", p.bar(p.before+judged), text)
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
