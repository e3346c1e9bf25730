package tool

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"cupel.dev/cupel"
)

// Cell is what came of one cell.
type Cell struct {
	// Text is what was written to stdout and stderr, in order.
	Text string
	// Result is the last expression's value as text, "" when there is none.
	Result string
	// Error is the traceback, "" when there is none.
	Error string
	// TimedOut says that the cell was interrupted when its time was up.
	TimedOut bool
	// Died says how the kernel ended meanwhile, "" when it lives. Its state is
	// lost.
	Died string
	// Rich are the rich outputs: contents by media type, images in base64.
	Rich []map[string]any
	// Run is the cell as a program: how it ended, and how long it took. What
	// else it used is not known apart from the other cells.
	Run cupel.Result
}

// answered makes a Cell of the driver's answer.
func answered(s *session, got frame, id string) (Cell, error) {
	if got.ID != id {
		s.end(errFrame)
		return s.ended()
	}
	cell := Cell{Text: decode(got.Text), TimedOut: got.TimedOut, Rich: got.Rich}
	cell.Run = cupel.Result{Status: cupel.StatusOK, StdoutTruncated: got.Truncated}
	if got.Result != nil {
		cell.Result = *got.Result
	}
	if got.Error != nil {
		cell.Error = *got.Error
		cell.Run.Status, cell.Run.ExitCode = cupel.StatusNonzero, 1
	}
	if got.Died != nil {
		cell.Died = *got.Died
		if err := s.autopsy(&cell); err != nil {
			return Cell{}, err
		}
	}
	if got.TimedOut {
		cell.Run.Status, cell.Run.ExitCode, cell.Run.Signal = cupel.StatusTimeLimit, -1, ""
		cell.Run.LimitsHit = []cupel.LimitName{cupel.LimitTime}
	}
	return cell, nil
}

// autopsy finds out how a kernel died of which the driver has told us; the
// driver ends after that, and what limits it hit is known then.
func (s *session) autopsy(cell *Cell) error {
	timer := time.NewTimer(slack)
	defer timer.Stop()
	select {
	case <-s.done:
	case <-timer.C:
		s.end(errSilent)
	}
	if s.err != nil && !errors.Is(s.broken, errSilent) && !errors.Is(s.broken, errFrame) {
		return s.err
	}
	cell.Run.Status, cell.Run.ExitCode = cupel.StatusNonzero, -1
	cell.Run.LimitsHit = s.result.LimitsHit
	kind, number, _ := strings.Cut(cell.Died, " ")
	n, err := strconv.Atoi(strings.TrimPrefix(number, "status "))
	switch {
	case slices.Contains(s.result.LimitsHit, cupel.LimitMemory):
		cell.Run.Status, cell.Died = cupel.StatusMemoryLimit, "out of memory"
	case err == nil && kind == "exit" && n != 0:
		cell.Run.ExitCode = n
	case err == nil && kind == "signal" && cupel.SignalName(n) != "":
		cell.Run.Status, cell.Run.Signal, cell.Died = cupel.StatusSignaled, cupel.SignalName(n), cupel.SignalName(n)
	}
	return nil
}

// ended makes a Cell of a session that ended without an answer.
func (s *session) ended() (Cell, error) {
	<-s.done
	ours := errors.Is(s.broken, errSilent) || errors.Is(s.broken, errFrame)
	if errors.Is(s.broken, errClosed) {
		return Cell{}, &cupel.Error{Kind: cupel.Closed, Op: "run a notebook cell", Err: errClosed}
	}
	if s.err != nil && !ours {
		return Cell{}, s.err
	}
	cell := Cell{Run: s.result}
	switch {
	case ours:
		cell.Died = s.broken.Error()
		cell.Run.Status, cell.Run.ExitCode = cupel.StatusNonzero, -1
	case s.result.Signal != "":
		cell.Died = s.result.Signal
	case s.result.Status == cupel.StatusMemoryLimit:
		cell.Died = "out of memory"
	case s.result.Status == cupel.StatusOK, s.result.Status == cupel.StatusNonzero:
		cell.Died = "exit status " + strconv.Itoa(s.result.ExitCode)
		cell.Run.Status = cupel.StatusNonzero
	default:
		cell.Died = string(s.result.Status)
	}
	return cell, nil
}
