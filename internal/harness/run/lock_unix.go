//go:build unix

package run

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"

	"cupel.dev/cupel"
)

// lock takes a file for this process. The kernel lets it go when the process
// ends, however it does. The file stays; it holds its last owner's pid.
func lock(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, writeError(err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		_ = f.Truncate(0)
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
		return f.Close, nil
	}
	defer func() { _ = f.Close() }()
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, cupel.Errorf(cupel.Internal, "lock run", "%s: %w", path, err)
	}
	return nil, cupel.Errorf(cupel.Unavailable, "lock run", "%s is held by another run%s", path, owner(f)).
		WithHint("wait until it is done, end it, or give another --out")
}

func owner(f *os.File) string {
	var buf [20]byte
	n, _ := f.ReadAt(buf[:], 0)
	if pid, err := strconv.Atoi(strings.TrimSpace(string(buf[:n]))); err == nil {
		return " (pid " + strconv.Itoa(pid) + ")"
	}
	return ""
}
