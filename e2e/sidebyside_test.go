//go:build linux

package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The original on a real Docker daemon and ours get the same calls, in the same
// order; the answers are compared field by field. Each difference stands in
// docs/guides/ms-enclave-differences.md with the reason: one that does not is a
// failure, and so is one that stands there and isn't seen.
func TestEnclaveSideBySide(t *testing.T) {
	calls := readCalls(t, "calls.json")
	listed := readDifferences(t)
	v := python(t, "client")
	before := lookAround(t)
	t.Cleanup(func() { before.compare(t) })
	d := startDockerWithBridge(t)
	d.importPython(t)
	const key = "--api-key=right-key-for-tests"
	me := as(t, os.Geteuid())
	theirs := &caller{saved: map[string]string{}, servers: map[string]*server{"": startOriginal(t, d, v), "keyed": startOriginal(t, d, v, key)}}
	ours := &caller{saved: map[string]string{}, servers: map[string]*server{"": startCupel(t, me), "keyed": startCupel(t, me, key)}}
	for _, k := range calls {
		t.Run(k.Name, func(t *testing.T) {
			a, b := theirs.play(t, k), ours.play(t, k)
			for _, field := range slices.Sorted(maps.Keys(merged(a, b))) {
				if shown(a, field) == shown(b, field) || justified(listed, k.Name, field, shown(a, field), shown(b, field)) {
					continue
				}
				t.Errorf("not listed:\n| `%s` | `%s` | %s | %s | why |", k.Name, field, cell(shown(a, field)), cell(shown(b, field)))
			}
		})
	}
	for _, l := range listed {
		if !l.seen {
			t.Errorf("listed, and not seen: %s %s", l.call, l.field)
		}
	}
}

// difference is a row of the list. In its cells "…" stands for anything, and
// "—" for a field that isn't there.
type difference struct {
	call, field  string
	matchesCall  *regexp.Regexp
	matchesField *regexp.Regexp
	theirs, ours *regexp.Regexp
	seen         bool
}

func readDifferences(t *testing.T) (list []*difference) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", "guides", "ms-enclave-differences.md"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cells := strings.Split(strings.ReplaceAll(line, `\|`, "\x00"), "|")
		if len(cells) != 7 || len(strings.TrimSpace(cells[5])) < 5 {
			t.Fatalf("want | `call` | `field` | theirs | ours | why |: %s", line)
		}
		for i, c := range cells {
			cells[i] = strings.ReplaceAll(strings.Trim(strings.TrimSpace(c), "`"), "\x00", "|")
		}
		list = append(list, &difference{call: cells[1], field: cells[2],
			matchesCall: pattern(cells[1], "*"), matchesField: pattern(cells[2], "*"), theirs: pattern(cells[3], "…"), ours: pattern(cells[4], "…")})
	}
	return list
}

// pattern matches a whole text, wild being anything.
func pattern(text, wild string) *regexp.Regexp {
	return regexp.MustCompile(`(?s)^` + strings.ReplaceAll(regexp.QuoteMeta(text), regexp.QuoteMeta(wild), ".*") + `$`)
}

func justified(listed []*difference, call, field, theirs, ours string) bool {
	for _, l := range listed {
		if l.matchesCall.MatchString(call) && l.matchesField.MatchString(field) && l.theirs.MatchString(theirs) && l.ours.MatchString(ours) {
			l.seen = true
			return true
		}
	}
	return false
}

func merged(a, b fields) fields {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// shown is a field as the list writes it.
func shown(f fields, name string) string {
	v, ok := f[name]
	if !ok {
		return "—"
	}
	return strings.ReplaceAll(v, "`", "'")
}

func cell(text string) string {
	if text == "—" {
		return text
	}
	return fmt.Sprintf("`%s`", strings.ReplaceAll(text, "|", `\|`))
}
