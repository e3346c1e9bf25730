package api

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"cupel.dev/cupel"
)

// Limits bound what a program may use; see cupel.Limits for what each means.
// A field that is absent or null is not set here. Each may be written as a
// JSON number or as the text that the command line's flag of this name takes;
// zero is refused, as it would mean "not set".
type Limits struct {
	// Time is wall time: "10s", "500ms", "1m30s" or a number of seconds.
	Time Duration `json:"time,omitempty"`
	// CPU is user and system time of all its processes, as Time.
	CPU Duration `json:"cpu,omitempty"`
	// CPUs is how many cores may be used at once, such as 0.5.
	CPUs Cores `json:"cpus,omitempty"`
	// Memory is "512MiB", "512m", "0.5g" or a number of bytes.
	Memory Size `json:"memory,omitempty"`
	// Processes counts processes and threads at once.
	Processes Count `json:"processes,omitempty"`
	// Files is open files of a process.
	Files Count `json:"files,omitempty"`
	// FileSize is the largest file that may be written.
	FileSize Size `json:"file_size,omitempty"`
	// Disk is one total over all private writable places of the sandbox.
	Disk Size `json:"disk,omitempty"`
	// Inodes is files and directories in the same places.
	Inodes Count `json:"inodes,omitempty"`
	// Output is how many bytes are kept of each of stdout and stderr.
	Output Size `json:"output,omitempty"`
}

// NewLimits writes limits for the wire.
func NewLimits(l cupel.Limits) Limits {
	return Limits{
		Time: Duration(l.Time), CPU: Duration(l.CPUTime), CPUs: Cores(l.CPUs), Memory: Size(l.Memory),
		Processes: Count(l.Processes), Files: Count(l.Files), FileSize: Size(l.FileSize),
		Disk: Size(l.Disk), Inodes: Count(l.Inodes), Output: Size(l.Output),
	}
}

// Cupel returns the limits in the root package's terms.
func (l Limits) Cupel() cupel.Limits {
	return cupel.Limits{
		Time: time.Duration(l.Time), CPUTime: time.Duration(l.CPU), CPUs: float64(l.CPUs), Memory: cupel.Size(l.Memory),
		Processes: int(l.Processes), Files: int(l.Files), FileSize: cupel.Size(l.FileSize),
		Disk: cupel.Size(l.Disk), Inodes: int(l.Inodes), Output: cupel.Size(l.Output),
	}
}

// Duration is a time above zero: in JSON a text such as "10s", "500ms" or
// "1m30s", or a number of seconds, as text or not. It is written as text.
type Duration time.Duration

// String writes "1m30s".
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalJSON writes "1m30s" as text.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads what the type says.
func (d *Duration) UnmarshalJSON(raw []byte) error {
	return read(raw, d, func(s string) (Duration, error) {
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			const most = float64(1<<63-1) / float64(time.Second)
			if f != f || f >= most || f <= -most {
				return 0, errors.New("it is out of range")
			}
			return Duration(f * float64(time.Second)), nil
		}
		v, err := time.ParseDuration(s)
		if err != nil {
			return 0, errors.New("write a time such as 10s, 500ms or 1m30s, or a number of seconds")
		}
		return Duration(v), nil
	})
}

// Size is a number of bytes above zero: in JSON a text such as "512MiB" or
// "0.5g", or a number. It is written as a number.
type Size cupel.Size

// String writes "512MiB".
func (s Size) String() string { return cupel.Size(s).String() }

// UnmarshalJSON reads what the type says.
func (s *Size) UnmarshalJSON(raw []byte) error {
	return read(raw, s, func(text string) (Size, error) {
		v, err := cupel.ParseSize(text)
		if err != nil {
			return 0, errors.New("write a number of bytes, or one with KiB, MiB, GiB or TiB, such as 512MiB")
		}
		return Size(v), nil
	})
}

// Count is a whole number above zero, in JSON as text or not.
type Count int

// UnmarshalJSON reads what the type says.
func (c *Count) UnmarshalJSON(raw []byte) error {
	return read(raw, c, func(s string) (Count, error) {
		v, err := strconv.Atoi(s)
		if err == nil {
			return Count(v), nil
		}
		// JSON has one kind of number: 64.0 is 64.
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || f != math.Trunc(f) || math.Abs(f) > math.MaxInt32 {
			return 0, errors.New("write a whole number")
		}
		return Count(f), nil
	})
}

// Cores is a number of cores above zero, in JSON as text or not.
type Cores float64

// UnmarshalJSON reads what the type says.
func (c *Cores) UnmarshalJSON(raw []byte) error {
	return read(raw, c, func(s string) (Cores, error) {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || v != v {
			return 0, errors.New("write a number of cores, such as 2 or 0.5")
		}
		return Cores(v), nil
	})
}

// read parses a JSON number or string with the one parser that both have, and
// refuses what is not above zero. null changes nothing.
func read[T Duration | Size | Count | Cores](raw []byte, dst *T, parse func(string) (T, error)) error {
	text := string(raw)
	switch {
	case text == "null":
		return nil
	case text == "" || strings.ContainsAny(text[:1], "{[tf"):
		return &ValueError{Value: text, Fix: "write a number or a text"}
	case text[0] == '"':
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
	}
	v, err := parse(strings.TrimSpace(text))
	if err == nil && v <= 0 {
		err = errors.New("it must be above zero; leave the key out for the default")
	}
	if err != nil {
		return &ValueError{Value: text, Fix: err.Error()}
	}
	*dst = v
	return nil
}

// ValueError is the error for a value of the right JSON type that means
// nothing.
type ValueError struct{ Value, Fix string }

// Error names the value and the fix.
func (e *ValueError) Error() string {
	const most = 100
	v := e.Value
	if len(v) > most {
		v = v[:most] + "…"
	}
	return strconv.Quote(v) + " is not valid: " + e.Fix
}
