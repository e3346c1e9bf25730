package native

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/linux/space"
)

// cacheDir finds and makes the cache directory.
func cacheDir(configured string) (string, error) {
	dir := configured
	if dir == "" {
		dir = os.Getenv("CUPEL_CACHE")
	}
	if dir == "" && os.Geteuid() == 0 {
		dir = "/var/cache/cupel"
	}
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", cacheError(err)
		}
		dir = filepath.Join(base, "cupel")
	}
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return "", cacheError(err)
	}
	return dir, nil
}

func cacheError(err error) error {
	return cupel.Errorf(cupel.Unavailable, "make the cache directory", "%w", err).
		WithHint("set CUPEL_CACHE to a directory that this user can write")
}

// rangeBase is the first host id of the range that sandboxes get as root: 2^31
// minus 2^28, above what distributions, systemd-nspawn and subuid files hand
// out, and below 2^31, where ids turn negative for some programs.
const rangeBase = 1_879_048_192

// chooseIDs decides how ids map. Root never maps root of the outside.
func chooseIDs() (space.IDs, error) {
	if os.Geteuid() != 0 {
		return space.IDs{UIDBase: os.Geteuid(), GIDBase: os.Getegid(), Count: 1}, nil
	}
	uid, n, err := freeRange("/proc/self/uid_map")
	if err != nil {
		return space.IDs{}, machineError("choose ids", err)
	}
	gid, m, err := freeRange("/proc/self/gid_map")
	if err != nil {
		return space.IDs{}, machineError("choose ids", err)
	}
	n = min(n, m)
	if n < 1 {
		return space.IDs{}, cupel.Errorf(cupel.Unavailable, "choose ids", "this root has no other id to give a sandbox").
			WithHint("run cupel as a plain user here")
	}
	return space.IDs{UIDBase: uid, GIDBase: gid, Count: n}, nil
}

// freeRange picks ids other than 0 of this process's own id map: rangeBase and
// up where they exist, else the end of the longest extent.
func freeRange(file string) (base, count int, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, 0, err
	}
	const want = cupel.MaxID + 1
	for line := range strings.Lines(string(text)) {
		var lo, outer, n int
		if _, err := fmt.Sscan(line, &lo, &outer, &n); err != nil {
			return 0, 0, fmt.Errorf("read %s: %w", file, err)
		}
		if lo <= rangeBase && rangeBase+want <= lo+n {
			return rangeBase, want, nil
		}
		if lo == 0 {
			lo, n = 1, n-1
		}
		if size := min(n, want); size > count {
			base, count = lo+n-size, size
		}
	}
	return base, count, nil
}

// procIsMasked reports whether something is mounted over parts of /proc, as
// container engines do; then the kernel lets no new one be mounted. Mounts on
// the empty directories that the kernel keeps for that purpose don't count.
func procIsMasked() bool {
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(info)) {
		f := strings.Fields(line)
		if len(f) > 4 && strings.HasPrefix(f[4], "/proc/") && f[4] != "/proc/sys/fs/binfmt_misc" {
			return true
		}
	}
	return false
}

// machineError wraps a failure of the kernel, with a hint where the cause is
// known.
func machineError(op string, err error) error {
	e := cupel.Errorf(cupel.Internal, op, "%w", err)
	if _, ok := errors.AsType[*space.StepError](err); !ok {
		return e
	}
	switch {
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EUSERS):
		e.Kind = cupel.Exhausted
		return e.WithHint("raise user.max_user_namespaces and its kin (sysctl), or close other sandboxes")
	case errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE):
		e.Kind = cupel.Exhausted
		return e.WithHint("the machine is out of processes, memory or files; run less at once")
	case errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES):
		e.Kind = cupel.Unavailable
		return e.WithHint("user namespaces or mounts are forbidden here; cupel doctor says why and what to do")
	}
	return e
}

func errClosed(op string) error {
	return cupel.Errorf(cupel.Closed, op, "already closed")
}
