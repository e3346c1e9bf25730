package cgroup

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// noFile is a descriptor of a file that this kernel doesn't have.
const noFile = -1

// open opens dir/name, close-on-exec, and names the file in its error.
func open(dir, name string, flags int) (int, error) {
	for {
		fd, err := unix.Open(path.Join(dir, name), flags|unix.O_CLOEXEC, 0)
		if err == nil {
			return fd, nil
		}
		if !errors.Is(err, unix.EINTR) {
			return noFile, fmt.Errorf("open %s/%s: %w", dir, name, err)
		}
	}
}

// openOptional opens a file for reading that an older kernel lacks: noFile then.
func openOptional(dir, name string) (int, error) {
	fd, err := open(dir, name, unix.O_RDONLY)
	if errors.Is(err, unix.ENOENT) {
		return noFile, nil
	}
	return fd, err
}

func closeAll(fds ...int) {
	for _, fd := range fds {
		if fd != noFile {
			unix.Close(fd)
		}
	}
}

// write writes one value to the control file dir/name.
func write(dir, name, value string) error {
	fd, err := open(dir, name, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte(value)); err != nil {
		return fmt.Errorf("write %q to %s/%s: %w", value, dir, name, err)
	}
	return nil
}

// writeInt writes value, or whatever this version calls "no limit" for 0.
func writeInt(dir, name string, value int64, none string) error {
	if value == 0 {
		return write(dir, name, none)
	}
	return write(dir, name, strconv.FormatInt(value, 10))
}

// read returns all of the control file dir/name, without the last newline.
func read(dir, name string) (string, error) {
	fd, err := open(dir, name, unix.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	var all []byte
	var buf [4096]byte
	for {
		n, err := unix.Read(fd, buf[:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("read %s/%s: %w", dir, name, err)
		}
		if n == 0 {
			return strings.TrimSuffix(string(all), "\n"), nil
		}
		all = append(all, buf[:n]...)
	}
}

// readWords is read for a list of words.
func readWords(dir, name string) ([]string, error) {
	s, err := read(dir, name)
	return strings.Fields(s), err
}

// number reads the one number of an open control file; 0 for noFile.
func number(fd int) (int64, error) {
	if fd == noFile {
		return 0, nil
	}
	var buf [32]byte
	n, err := unix.Pread(fd, buf[:], 0)
	if err != nil {
		return 0, fmt.Errorf("read a cgroup counter: %w", err)
	}
	return parseNumber(buf[:n]), nil
}

// keyed reads an open file of "key value" lines into values, in the order of
// keys; a key that this kernel doesn't write stays as it is.
func keyed(fd int, keys []string, values []int64) error {
	if fd == noFile {
		return nil
	}
	var buf [1024]byte
	n, err := unix.Pread(fd, buf[:], 0)
	if err != nil {
		return fmt.Errorf("read a cgroup counter: %w", err)
	}
	parseKeyed(buf[:n], keys, values)
	return nil
}

// parseKeyed finds the keys in "key value" lines.
func parseKeyed(text []byte, keys []string, values []int64) {
	for len(text) > 0 {
		line := text
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			line, text = text[:i], text[i+1:]
		} else {
			text = nil
		}
		blank := bytes.IndexByte(line, ' ')
		if blank < 0 {
			continue
		}
		for i, key := range keys {
			if string(line[:blank]) == key {
				values[i] = parseNumber(line[blank+1:])
			}
		}
	}
}

// parseNumber reads decimal digits up to the first other byte; "max" and what
// doesn't fit are the largest number.
func parseNumber(text []byte) int64 {
	if bytes.HasPrefix(text, []byte("max")) {
		return math.MaxInt64
	}
	var n int64
	for _, c := range text {
		if c < '0' || c > '9' {
			break
		}
		if n > (math.MaxInt64-9)/10 {
			return math.MaxInt64
		}
		n = n*10 + int64(c-'0')
	}
	return n
}
