package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// events is the output of go test -json, shortened: a test with subtests, a
// skip, a failure, a package that does not build.
const events = `{"Action":"start","Package":"cupel.dev/cupel/a"}
{"Action":"run","Package":"cupel.dev/cupel/a","Test":"TestA"}
{"Action":"run","Package":"cupel.dev/cupel/a","Test":"TestA/one"}
{"Action":"pass","Package":"cupel.dev/cupel/a","Test":"TestA/one"}
{"Action":"run","Package":"cupel.dev/cupel/a","Test":"TestA/two"}
{"Action":"output","Package":"cupel.dev/cupel/a","Test":"TestA/two","Output":"    a_test.go:9: not root: it can't\n"}
{"Action":"output","Package":"cupel.dev/cupel/a","Test":"TestA/two","Output":"    --- SKIP: TestA/two (0.00s)\n"}
{"Action":"skip","Package":"cupel.dev/cupel/a","Test":"TestA/two"}
{"Action":"pass","Package":"cupel.dev/cupel/a","Test":"TestA"}
{"Action":"run","Package":"cupel.dev/cupel/a","Test":"TestB"}
{"Action":"fail","Package":"cupel.dev/cupel/a","Test":"TestB"}
{"Action":"fail","Package":"cupel.dev/cupel/a","Elapsed":1}
{"ImportPath":"cupel.dev/cupel/b","Action":"build-output","Output":"b.go:1: no\n"}
{"Action":"start","Package":"cupel.dev/cupel/b"}
{"Action":"fail","Package":"cupel.dev/cupel/b","Elapsed":0,"FailedBuild":"cupel.dev/cupel/b"}
`

func TestTally(t *testing.T) {
	for _, tt := range []struct {
		name   string
		covers []cover
		noSkip bool
		ok     bool
		last   string
		shows  string
	}{
		{"as it is", nil, false, false, "1 passed, 2 failed, 1 skipped", "skip  a.TestA/two: not root: it can't\n"},
		{"covered", []cover{{"a.TestA/...", "a.TestA/one"}}, true, false, "1 passed, 2 failed, 0 skipped", "1 tests that this place can't run"},
		{"not covered", []cover{{"a.TestA/two", "a.TestB"}}, true, false, "1 passed, 2 failed, 1 skipped", "each skip is a failure"},
	} {
		var out strings.Builder
		tally := newTally(&out)
		tally.covers = tt.covers
		if err := tally.read(strings.NewReader(events)); err != nil {
			t.Fatal(err)
		}
		if ok := tally.summary(tt.noSkip); ok != tt.ok {
			t.Errorf("%s: all is well = %v", tt.name, ok)
		}
		if !strings.HasSuffix(out.String(), "\n"+tt.last+"\n") || !strings.Contains(out.String(), tt.shows) || !strings.Contains(out.String(), "b.go:1: no") {
			t.Errorf("%s: it prints\n%s", tt.name, &out)
		}
	}
}

func TestSkipsFailOnlyWhereTheyMayNot(t *testing.T) {
	for _, noSkip := range []bool{false, true} {
		tally := newTally(&strings.Builder{})
		tally.skips = []skip{{"a.TestA", "why"}}
		if ok := tally.summary(noSkip); ok == noSkip {
			t.Errorf("with CUPEL_NO_SKIP %v all is well = %v", noSkip, ok)
		}
	}
}

func TestCoveredBy(t *testing.T) {
	covers := []cover{{"e2e.TestUser/native/...", "native...."}, {"a.B", "c.D"}}
	passed := map[string]bool{"native.TestEngine/auto/x": true, "c.D": true}
	for test, want := range map[string]string{
		"e2e.TestUser/native/TestEngine/auto/x": "native.TestEngine/auto/x",
		"e2e.TestUser/native/TestEngine/auto/y": "",
		"a.B":                                   "c.D",
		"a.B/c":                                 "",
	} {
		if got := coveredBy(covers, test, passed); got != want {
			t.Errorf("%s is covered by %q, want %q", test, got, want)
		}
	}
}

func TestReadCovers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "skips")
	for text, bad := range map[string]bool{
		"# a comment\n\na.A b.B # why\n": false,
		"a.A b.B\n":                      true,
		"a.A # why\n":                    true,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if list, err := readCovers(file); (err != nil) != bad || !bad && len(list) != 1 {
			t.Errorf("%q: %v, %v", text, list, err)
		}
	}
	if list, err := readCovers(file + ".none"); list != nil || err != nil {
		t.Errorf("a missing list: %v, %v", list, err)
	}
	if _, err := readCovers(filepath.Join("..", "..", "e2e", "skips.txt")); err != nil {
		t.Error(err)
	}
}
