package nearest

import (
	"strings"
	"testing"
)

func TestTo(t *testing.T) {
	languages := []string{"python", "bash", "javascript", "c", "cpp"}
	for _, tc := range []struct{ name, want string }{
		{"pyhton", "python"}, {"Python3", "python"}, {"java", "javascript"}, {"bahs", "bash"},
		{"c+", "c"}, {"fortran", ""}, {"", ""}, {"x", ""}, {strings.Repeat("p", 1<<20), ""},
	} {
		if got := To(tc.name, languages); got != tc.want {
			t.Errorf("To(%.20q) = %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestFixNamesEveryCandidate(t *testing.T) {
	if got, want := Fix("humanevl", []string{"humaneval", "mbpp"}), "did you mean humaneval? known: humaneval, mbpp"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := Fix("zzz", []string{"humaneval", "mbpp"}), "known: humaneval, mbpp"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
