package peer

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
)

// Owner returns the process that holds the other end of a connection, whose
// two ends are peer (theirs) and local (ours), each as IP:PORT. It reads the
// kernel's table of connections and then the descriptors of all processes that
// it may look at, which takes milliseconds: ask once a connection. The error
// is ErrUnknown, or says which file could not be read.
func Owner(peer, local string) (Process, error) {
	theirs, err := netip.ParseAddrPort(peer)
	if err != nil {
		return Process{}, err
	}
	ours, err := netip.ParseAddrPort(local)
	if err != nil {
		return Process{}, err
	}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		inode, err := socketOf(table, theirs, ours)
		if err != nil {
			return Process{}, err
		}
		if inode != 0 {
			return holder("socket:[" + strconv.FormatUint(inode, 10) + "]")
		}
	}
	return Process{}, ErrUnknown
}

// socketOf finds the inode of the socket whose own end is from, 0 if there is
// none. The lines are "sl local_address rem_address st … uid timeout inode".
func socketOf(table string, from, to netip.AddrPort) (uint64, error) {
	f, err := os.Open(table)
	if os.IsNotExist(err) {
		return 0, nil // a kernel without IPv6
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := bytes.Fields(lines.Bytes())
		if len(fields) < 10 || !isEnd(fields[1], from) || !isEnd(fields[2], to) {
			continue
		}
		return strconv.ParseUint(string(fields[9]), 10, 64)
	}
	return 0, lines.Err()
}

// isEnd reports whether text, hexadecimal words in the machine's byte order
// and a port, is the address. An IPv4 address may be written as IPv6.
func isEnd(text []byte, want netip.AddrPort) bool {
	address, port, ok := bytes.Cut(text, []byte(":"))
	if !ok || len(address)%8 != 0 {
		return false
	}
	if n, err := strconv.ParseUint(string(port), 16, 16); err != nil || uint16(n) != want.Port() {
		return false
	}
	raw := make([]byte, len(address)/2)
	if _, err := hex.Decode(raw, address); err != nil {
		return false
	}
	for i := 0; i < len(raw); i += 4 { // little-endian, as every machine that cupel runs on
		raw[i], raw[i+1], raw[i+2], raw[i+3] = raw[i+3], raw[i+2], raw[i+1], raw[i]
	}
	got, ok := netip.AddrFromSlice(raw)
	return ok && got.Unmap() == want.Addr().Unmap().WithZone("")
}

// holder is the one process that has the descriptor open. Of several, a parent
// and its children, it is the one that started first.
func holder(link string) (Process, error) {
	files, err := filepath.Glob("/proc/[0-9]*/fd")
	if err != nil {
		return Process{}, err
	}
	var found Process
	for _, dir := range files {
		if !hasOpen(dir, link) {
			continue
		}
		p, err := process(filepath.Dir(dir))
		if err == nil && (found.PID == 0 || p.Start < found.Start) {
			found = p
		}
	}
	if found.PID == 0 {
		return Process{}, ErrUnknown
	}
	return found, nil
}

func hasOpen(dir, link string) bool {
	fds, err := os.ReadDir(dir)
	if err != nil {
		return false // it ended, or is another user's
	}
	for _, fd := range fds {
		if to, err := os.Readlink(filepath.Join(dir, fd.Name())); err == nil && to == link {
			return true
		}
	}
	return false
}

// process reads /proc/PID/stat; the fields after the name, which may hold
// anything, are counted from its last parenthesis. The start time is the 22nd.
func process(dir string) (Process, error) {
	pid, err := strconv.Atoi(filepath.Base(dir))
	if err != nil {
		return Process{}, err
	}
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return Process{}, err
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return Process{}, fmt.Errorf("%s/stat has %d fields", dir, len(fields))
	}
	start, err := strconv.ParseUint(string(fields[19]), 10, 64)
	return Process{PID: pid, Start: start}, err
}
