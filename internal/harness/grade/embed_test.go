package grade

import (
	"regexp"
	"testing"
)

// TestSourcesDoNotClash: files that are compiled together share one namespace.
func TestSourcesDoNotClash(t *testing.T) {
	defined := regexp.MustCompile(`(?m)^(?:(?:def|class) (\w+)|(\w+) = )`)
	for _, text := range []string{driverText, graderText} {
		seen := map[string]bool{}
		for _, m := range defined.FindAllStringSubmatch(text, -1) {
			if seen[m[1]+m[2]] {
				t.Errorf("%s is defined twice", m[1]+m[2])
			}
			seen[m[1]+m[2]] = true
		}
		if len(seen) < 30 {
			t.Errorf("only %d names found", len(seen))
		}
	}
}

func TestStripComments(t *testing.T) {
	if got := stripComments("# a\n\nx = 1  # kept\n    # b\n    y\n"); got != "x = 1  # kept\n    y\n" {
		t.Errorf("%q", got)
	}
	if len(bootArg) > 4096 || len(graderStart) > 4096 {
		t.Error("the command lines have grown")
	}
}
