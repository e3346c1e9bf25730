package cupel_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cupel.dev/cupel"
)

func TestParseSize(t *testing.T) {
	for in, want := range map[string]cupel.Size{
		"0": 0, "1": 1, "512MiB": 512 << 20, "512m": 512 << 20, "0.5g": 512 << 20, "1 GiB": 1 << 30,
		"4KB": 4096, "2TiB": 2 << 40, "-1": -1, "7b": 7,
	} {
		if got, err := cupel.ParseSize(in); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "MiB", "1x", "1e400", "NaN", "Inf", "9999999TiB", "1,5g"} {
		if got, err := cupel.ParseSize(in); cupel.KindOf(err) != cupel.Invalid {
			t.Errorf("ParseSize(%q) = %d, %v, want kind invalid", in, got, err)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	f.Add("512MiB")
	f.Add("0.5g")
	f.Fuzz(func(t *testing.T, in string) {
		s, err := cupel.ParseSize(in)
		if err == nil && s != 0 {
			if _, err := cupel.ParseSize(s.String()); err != nil {
				t.Fatalf("%q gives %s, which does not parse: %v", in, s, err)
			}
		}
	})
}

func TestSizeString(t *testing.T) {
	for in, want := range map[cupel.Size]string{0: "0B", 7: "7B", 1 << 20: "1MiB", 3 << 19: "1.5MiB", 1 << 40: "1TiB"} {
		if got := in.String(); got != want {
			t.Errorf("%d is %q, want %q", int64(in), got, want)
		}
	}
}

func TestParseUser(t *testing.T) {
	for in, want := range map[string][2]int{"0": {0, 0}, "1000": {1000, 1000}, "5:7": {5, 7}, "65535": {65535, 65535}} {
		if uid, gid, err := cupel.ParseUser(in); err != nil || [2]int{uid, gid} != want {
			t.Errorf("ParseUser(%q) = %d, %d, %v", in, uid, gid, err)
		}
	}
	for _, in := range []string{"", "root", "-1", "65536", "1:", ":1", "1:2:3", "1.5"} {
		if _, _, err := cupel.ParseUser(in); cupel.KindOf(err) != cupel.Invalid {
			t.Errorf("ParseUser(%q): %v, want kind invalid", in, err)
		}
	}
}

func TestMergeReplacesWhatIsSet(t *testing.T) {
	base := cupel.Spec{Image: "host", Env: map[string]string{"A": "1", "B": "1"},
		Limits: cupel.Limits{Time: time.Second, Memory: cupel.GiB}, Mounts: []cupel.Mount{{Source: "/a", Target: "/a"}}}
	over := cupel.Spec{Dir: "/d", Env: map[string]string{"B": "2"}, Limits: cupel.Limits{Memory: cupel.MiB}}
	want := base
	want.Dir, want.Env = "/d", map[string]string{"A": "1", "B": "2"}
	want.Limits.Memory = cupel.MiB
	if diff := cmp.Diff(want, base.Merge(over)); diff != "" {
		t.Error(diff)
	}
	if base.Env["B"] != "1" {
		t.Error("the base was changed")
	}
}

func TestNormalizeNamesTheFieldTheValueAndTheFix(t *testing.T) {
	for field, spec := range map[string]cupel.Spec{
		"network":      {Network: "bridge"},
		"privileges":   {Privileges: "all"},
		"isolation":    {Isolation: "weak"},
		"user":         {User: "root"},
		"dir":          {Dir: "work"},
		"mount source": {Mounts: []cupel.Mount{{Source: "a", Target: "/a"}}},
		"mount target": {Mounts: []cupel.Mount{{Source: "/a", Target: "/a/../b"}}},
		"env":          {Env: map[string]string{"A=B": ""}},
		"limit memory": {Limits: cupel.Limits{Memory: -1}},
		"limit time":   {Limits: cupel.Limits{Time: 1000 * time.Hour}},
		"limit cpus":   {Limits: cupel.Limits{CPUs: 1e9}},
	} {
		_, err := spec.Normalize()
		if cupel.KindOf(err) != cupel.Invalid || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if got, err := (cupel.Spec{}).Normalize(); err != nil || got.Limits != cupel.DefaultLimits() || got.Image != "host" {
		t.Errorf("the empty spec is %+v, %v", got, err)
	}
}

func TestTightenRefusesMore(t *testing.T) {
	base := cupel.DefaultLimits()
	got, err := base.Tighten(cupel.Limits{Time: time.Second})
	if err != nil || got.Time != time.Second || got.Memory != base.Memory {
		t.Errorf("%+v, %v", got, err)
	}
	for name, over := range map[string]cupel.Limits{
		"time": {Time: time.Hour}, "cpu": {CPUTime: time.Hour}, "memory": {Memory: cupel.TiB},
		"processes": {Processes: 1000}, "files": {Files: 100000}, "disk": {Disk: cupel.TiB},
		"inodes": {Inodes: 1 << 29}, "output": {Output: cupel.GiB},
	} {
		if _, err := base.Tighten(over); cupel.KindOf(err) != cupel.Invalid || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := base.Tighten(cupel.Limits{CPUs: 2, FileSize: cupel.KiB}); err != nil {
		t.Errorf("limits where there were none: %v", err)
	}
}

func TestErrorsKeepKindHintAndCause(t *testing.T) {
	cause := errors.New("cause")
	err := fmt.Errorf("outer: %w", cupel.Errorf(cupel.Exhausted, "op", "%w", cause).WithHint("do %s", "this"))
	if cupel.KindOf(err) != cupel.Exhausted || cupel.HintOf(err) != "do this" || !errors.Is(err, cause) || !cupel.Retryable(err) {
		t.Errorf("%v: %s, %q", err, cupel.KindOf(err), cupel.HintOf(err))
	}
	if cupel.KindOf(nil) != "" || cupel.KindOf(cause) != cupel.Internal || cupel.HintOf(cause) != "" {
		t.Error("nil or a plain error has the wrong kind")
	}
}

func TestIsolationLevels(t *testing.T) {
	tiers := []cupel.Tier{cupel.TierNamespaces, cupel.TierNamespacesBoundProc, cupel.TierUIDs, cupel.TierLandlock}
	for level, accepted := range map[cupel.IsolationLevel]int{cupel.IsolationStrict: 1, cupel.IsolationStandard: 2, cupel.IsolationAny: 4} {
		for i, tier := range tiers {
			if ok, err := level.Accepts(tier); err != nil || ok != (i < accepted) {
				t.Errorf("%s accepts %s: %v, %v", level, tier, ok, err)
			}
		}
	}
}
