package enclave

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"

	"cupel.dev/cupel"
)

// machineMemory is the memory of this machine, or 4 GiB where it isn't told.
func machineMemory() cupel.Size {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 4 * cupel.GiB
	}
	return memTotal(text)
}

func memTotal(text []byte) cupel.Size {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), "MemTotal:")
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
		if err == nil && kib > 0 && kib < 1<<40 {
			return cupel.Size(kib) * cupel.KiB
		}
	}
	return 4 * cupel.GiB
}
