package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// killTimeout bounds the wait for killed processes to be gone. Only those in
// uninterruptible sleep take more than an instant.
const killTimeout = 10 * time.Second

// killDir kills every process in the cgroup dir (in version 2, below it too)
// and returns when none is left.
func killDir(version int, dir string, deadline time.Time) error {
	if version == 2 {
		err := write(dir, "cgroup.kill", "1")
		if err == nil {
			return waitUnpopulated(dir, deadline)
		}
		if !errors.Is(err, unix.ENOENT) {
			return err
		}
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			return nil
		}
	}
	return killEach(dir, deadline)
}

// waitUnpopulated waits for the kernel to say that a version 2 cgroup has no
// processes.
func waitUnpopulated(dir string, deadline time.Time) error {
	fd, err := open(dir, "cgroup.events", unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for {
		var populated [1]int64
		if err := keyed(fd, []string{"populated"}, populated[:]); err != nil {
			return err
		}
		if populated[0] == 0 {
			return nil
		}
		if err := pollUntil(fd, unix.POLLPRI, deadline); err != nil {
			return fmt.Errorf("wait for the processes in %s to die: %w", dir, err)
		}
	}
}

// killEach kills the processes in dir one by one until there are none: for
// version 1, and version 2 before kernel 5.14. The caller has set pids.max to
// 0 where it can, so that nothing is forked meanwhile.
func killEach(dir string, deadline time.Time) error {
	for {
		pids, err := processes(dir)
		if err != nil || len(pids) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("kill what is in %s: %d processes, such as %d, don't die", dir, len(pids), pids[0])
		}
		if err := killAndWait(dir, pids, deadline); err != nil {
			return err
		}
	}
}

// killAndWait kills those of pids that are still in dir, and waits for them.
// The processes are pinned before the second look, so that no pid can have
// passed to a stranger when the signal is sent.
func killAndWait(dir string, pids []int, deadline time.Time) error {
	const batch = 128 // descriptors held at once
	for chunk := range slices.Chunk(pids, batch) {
		pinned := make(map[int]int, len(chunk))
		for _, pid := range chunk {
			if fd, err := unix.PidfdOpen(pid, 0); err == nil {
				pinned[pid] = fd
			} else if !errors.Is(err, unix.ESRCH) {
				unpin(pinned)
				return fmt.Errorf("kill process %d in %s: %w", pid, dir, err)
			}
		}
		still, err := processes(dir)
		if err != nil {
			unpin(pinned)
			return err
		}
		for pid, fd := range pinned {
			if !slices.Contains(still, pid) || pid == os.Getpid() {
				continue
			}
			if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err == nil {
				_ = pollUntil(fd, unix.POLLIN, deadline) // killEach looks again
			}
		}
		unpin(pinned)
	}
	return nil
}

func unpin(pinned map[int]int) {
	for _, fd := range pinned {
		unix.Close(fd)
	}
}

// processes lists what is in dir. The file is opened anew each time: version 1
// keeps the list of an open one for a second.
func processes(dir string) ([]int, error) {
	words, err := readWords(dir, "cgroup.procs")
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) {
		return nil, nil
	}
	var pids []int
	for _, word := range words {
		pid, _ := strconv.Atoi(word)
		if pid <= 0 {
			return nil, fmt.Errorf("%s holds a process of another pid namespace", dir)
		}
		pids = append(pids, pid)
	}
	return pids, err
}

// pollUntil waits for an event on fd; ETIMEDOUT when there is none in time.
func pollUntil(fd int, events int16, deadline time.Time) error {
	fds := []unix.PollFd{{Fd: int32(fd), Events: events}}
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return unix.ETIMEDOUT
		}
		n, err := unix.Poll(fds, int(left.Milliseconds())+1)
		if n > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// removeTree removes the cgroup dir and those below it, killing what is in
// them until the deadline. One that is gone already is no error.
func removeTree(version int, dir string, deadline time.Time) error {
	if err := unix.Rmdir(dir); err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_ = write(dir, "pids.max", "0") // nothing new while we kill
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(version, path.Join(dir, e.Name()), deadline); err != nil {
				return err
			}
		}
	}
	if err := killDir(version, dir, deadline); err != nil {
		return err
	}
	return rmdir(dir)
}

// rmdir removes an empty cgroup. Some kernels hold on to it for a moment after
// its last process has died; this is off the hot path, so waiting is fine.
func rmdir(dir string) error {
	for wait := 100 * time.Microsecond; ; wait *= 2 {
		err := unix.Rmdir(dir)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || wait > time.Second {
			return fmt.Errorf("remove %s: %w", dir, err)
		}
		time.Sleep(wait)
	}
}
