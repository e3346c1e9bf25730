package hostimage

import (
	"bytes"
	"os"
	"slices"
	"strings"
)

// withSubmounts adds the mounts below the binds: a bind shows one file system,
// and a toolchain may lie on another one mounted inside it. They are read from
// the kernel each time, never from the cache.
func withSubmounts(binds []Bind) ([]Bind, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	return addSubmounts(binds, table), nil
}

func addSubmounts(binds []Bind, mountinfo []byte) []Bind {
	out := slices.Clone(binds)
	for line := range bytes.Lines(mountinfo) {
		// 36 35 98:0 /root /mount/point options … - type source options
		fields := strings.Fields(string(line))
		if len(fields) < 5 {
			continue
		}
		point := unescapeMount(fields[4])
		if i := slices.Index(fields, "-"); i > 0 && i+1 < len(fields) && fields[i+1] == "autofs" {
			continue
		}
		for _, b := range binds {
			rest, below := strings.CutPrefix(point, b.Source+"/")
			sub := Bind{Source: point, Target: b.Target + "/" + rest}
			if below && !slices.Contains(out, sub) {
				out = append(out, sub)
			}
		}
	}
	slices.SortStableFunc(out, byTarget)
	return out
}

// byTarget puts a directory before what lies below it.
func byTarget(a, b Bind) int { return strings.Compare(a.Target, b.Target) }

// unescapeMount undoes the kernel's octal escapes of space, tab, newline and
// backslash.
func unescapeMount(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
