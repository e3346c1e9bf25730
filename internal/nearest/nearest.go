// Package nearest finds the name that was most likely meant.
package nearest

import "strings"

// To returns the candidate closest to name in edit distance, case ignored, or
// "" when none is close enough to be worth a suggestion: at most a third of
// the longer name may differ, and at least one edit is always allowed. Among
// equals the first candidate wins.
func To(name string, candidates []string) string {
	if len(name) > longest {
		return ""
	}
	name = strings.ToLower(name)
	best, bestDistance := "", -1
	for _, c := range candidates {
		low := strings.ToLower(c)
		most := max(len(name), len(low)) / 3
		if name != "" && strings.HasPrefix(low, name) {
			most = len(low)
		}
		d := distance(name, low)
		if d <= max(most, 1) && d < max(len(name), len(low)) && (bestDistance < 0 || d < bestDistance) {
			best, bestDistance = c, d
		}
	}
	return best
}

// Fix words the remedy for an unknown name: "did you mean X? known: A, B".
func Fix(name string, candidates []string) string {
	known := "known: " + strings.Join(candidates, ", ")
	if n := To(name, candidates); n != "" {
		return "did you mean " + n + "? " + known
	}
	return known
}

// longest is the most bytes that a name has.
const longest = 64

// distance counts insertions, deletions, substitutions and swaps of
// neighbours in the first bytes of a and b.
func distance(a, b string) int {
	a, b = a[:min(len(a), longest)], b[:min(len(b), longest)]
	var rows [3][longest + 1]int
	before, prev, cur := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
