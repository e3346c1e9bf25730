package enclave

import (
	"bufio"
	"errors"
	"io"
	"path"
	"strings"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/door"
)

// nonEmpty returns the body as a stream, or answers and returns false when
// there is nothing in it.
func (c *call) nonEmpty() (io.Reader, bool) {
	var in io.Reader = strings.NewReader("")
	if c.r.Body != nil {
		in = c.r.Body
	}
	body := bufio.NewReaderSize(in, 64<<10)
	_, err := body.Peek(1)
	switch status, message := door.BodyError(err); {
	case err == nil:
		return body, true
	case status != 0:
		c.refuse(status, message)
	case errors.Is(err, io.EOF):
		c.fail(errNoArchive, "")
	default:
		c.fail(cupel.Errorf(cupel.Invalid, "read archive", "%w", err), "")
	}
	return nil, false
}

// archiveDir is the absolute directory that is meant: a relative one is below
// where tools start.
func archiveDir(dir, target string) (string, error) {
	switch {
	case target == "":
		return "", cupel.Errorf(cupel.Invalid, "", "target_dir must not be empty")
	case strings.ContainsRune(target, 0):
		return "", cupel.Invalidf("target_dir", target, "a path holds no NUL")
	case !path.IsAbs(target):
		target = path.Join(dir, target)
	}
	return path.Clean(target), nil
}
