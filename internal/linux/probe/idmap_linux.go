package probe

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
)

// IDRange is the longest run of ids, n from lo up, that exist in this
// process's own user namespace as uids and as gids. Outside of containers that
// is every id there is (0, 4294967295); where only one id is mapped, n is 1.
// (0, 0) means that it could not be read.
func IDRange() (lo, n uint32) {
	uids, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return 0, 0
	}
	gids, err := os.ReadFile("/proc/self/gid_map")
	if err != nil {
		return 0, 0
	}
	best := longestCommon(parseMap(string(uids)), parseMap(string(gids)))
	return uint32(best.lo), uint32(best.end - best.lo)
}

// ids are the ids from lo up to but without end.
type ids struct{ lo, end uint64 }

// parseMap returns the inside of an id map ("inside outside count" a line) in
// ascending order, with ranges that touch made one. Lines that make no sense
// are passed over.
func parseMap(text string) []ids {
	const most = 1<<32 - 1 // the last one means "no id"
	var out []ids
	for line := range strings.Lines(text) {
		var inside, outside, count uint32
		if _, err := fmt.Sscan(line, &inside, &outside, &count); err == nil && count > 0 {
			out = append(out, ids{uint64(inside), min(uint64(inside)+uint64(count), most)})
		}
	}
	slices.SortFunc(out, func(a, b ids) int { return cmp.Compare(a.lo, b.lo) })
	merged := out[:0]
	for _, r := range out {
		if last := len(merged) - 1; last >= 0 && r.lo <= merged[last].end {
			merged[last].end = max(merged[last].end, r.end)
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// longestCommon is the longest run that lies in one of a and in one of b.
func longestCommon(a, b []ids) ids {
	var best ids
	for _, x := range a {
		for _, y := range b {
			both := ids{max(x.lo, y.lo), min(x.end, y.end)}
			if both.end > both.lo && both.end-both.lo > best.end-best.lo {
				best = both
			}
		}
	}
	return best
}
