package enclave

import (
	"encoding/json"
	"fmt"
	"time"
)

// ExecutionStatus is how a tool's execution ended, a closed set.
type ExecutionStatus string

// The execution statuses.
const (
	Success   ExecutionStatus = "success"
	Error     ExecutionStatus = "error"
	Timeout   ExecutionStatus = "timeout"
	Cancelled ExecutionStatus = "cancelled"
)

// ToolExecutionRequest asks for a tool of a sandbox. Timeout is accepted by
// the protocol and read by nobody: the tool's own parameter counts.
type ToolExecutionRequest struct {
	SandboxID  string                     `json:"sandbox_id"`
	ToolName   string                     `json:"tool_name"`
	Parameters map[string]json.RawMessage `json:"parameters"`
	Timeout    *int                       `json:"timeout"`
}

// ToolResult is what a tool's execution gave. The field order is the server's.
type ToolResult struct {
	Status ExecutionStatus `json:"status"`
	// ExecutionTime is in seconds. Theirs never fills it.
	ExecutionTime *float64 `json:"execution_time"`
	Timestamp     Time     `json:"timestamp"`
	ToolName      string   `json:"tool_name"`
	// Output is text with every tool that there is.
	Output   any            `json:"output"`
	Metadata map[string]any `json:"metadata"`
	Error    *string        `json:"error"`
}

// Time is a moment as Pydantic writes a naive datetime: local time without a
// zone, with microseconds unless they are 0.
type Time struct{ time.Time }

const (
	timeForm      = "2006-01-02T15:04:05.000000"
	timeFormWhole = "2006-01-02T15:04:05"
)

// MarshalJSON writes t.
func (t Time) MarshalJSON() ([]byte, error) {
	form := timeForm
	if t.Nanosecond()/1000 == 0 {
		form = timeFormWhole
	}
	return []byte(`"` + t.Local().Format(form) + `"`), nil
}

// UnmarshalJSON reads what MarshalJSON writes, and times with a zone.
func (t *Time) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	at, err := time.ParseInLocation("2006-01-02T15:04:05.999999999", s, time.Local)
	if err != nil {
		at, err = time.Parse(time.RFC3339Nano, s)
	}
	if err != nil {
		return fmt.Errorf("%q is no time such as %s", s, timeForm)
	}
	t.Time = at
	return nil
}
