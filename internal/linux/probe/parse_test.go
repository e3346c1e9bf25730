//go:build linux

package probe

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseRelease(t *testing.T) {
	for in, want := range map[string][2]int{
		"6.1.0-18-cloud-amd64": {6, 1}, "5.15": {5, 15}, "6.12-rc3": {6, 12}, "7-rc1": {7, 0}, "": {0, 0},
		"4.18.0-553.el8_10.x86_64": {4, 18}, "x.y": {0, 0}, "99999999999999999999.1": {0, 1},
	} {
		if major, minor := parseRelease(in); major != want[0] || minor != want[1] {
			t.Errorf("%q: %d, %d", in, major, minor)
		}
	}
	if release, major, _ := Kernel(); release == "" || major < 3 {
		t.Errorf("this kernel: %q, %d", release, major)
	}
}

func TestLongestCommon(t *testing.T) {
	for _, c := range []struct {
		uids, gids string
		lo, n      uint64
	}{
		{"0 0 4294967295", "0 0 4294967295", 0, 4294967295},
		{"0 1000 1", "0 1000 1", 0, 1},
		{"0 1000 1\n1 100000 65536\n", "0 100 1\n1 100000 65536\n", 0, 65537},
		{"1 100000 65536\n0 1000 1\n", "         0       1000          1\n", 0, 1},
		{"0 0 100\n1000 1000 500", "50 0 2000", 1000, 500},
		{"0 0 5", "5 0 5", 0, 0},
		{"", "0 0 1", 0, 0},
		{"0 0 0\nx\n-1 2 3\n3 4", "0 0 9", 0, 0},
		{"4294967290 0 4294967295", "0 0 4294967295", 4294967290, 5},
	} {
		got := longestCommon(parseMap(c.uids), parseMap(c.gids))
		if got.lo != c.lo || got.end-got.lo != c.n {
			t.Errorf("%q, %q: %+v", c.uids, c.gids, got)
		}
	}
}

func FuzzParseMap(f *testing.F) {
	f.Add("0 1000 1\n1 100000 65536\n")
	f.Add("4294967295 4294967295 4294967295")
	f.Fuzz(func(t *testing.T, text string) {
		previous := ids{}
		for i, r := range parseMap(text) {
			if r.lo >= r.end && r.lo != 1<<32-1 || r.end > 1<<32-1 || i > 0 && r.lo <= previous.end {
				t.Fatalf("%+v after %+v", r, previous)
			}
			previous = r
		}
	})
}

func TestFix(t *testing.T) {
	for _, c := range []struct {
		name    string
		place   place
		sysctls map[string]string
		err     error
		want    string
	}{
		{"limit of none", place{}, map[string]string{"user.max_user_namespaces": "0"}, unix.ENOSPC, "sysctl user.max_user_namespaces=15000"},
		{"limit reached", place{}, map[string]string{"user.max_user_namespaces": "7"}, unix.ENOSPC, "(now 7)"},
		{"debian", place{}, map[string]string{"kernel.unprivileged_userns_clone": "0"}, unix.EPERM, "sysctl kernel.unprivileged_userns_clone=1"},
		{"ubuntu", place{}, map[string]string{"kernel.apparmor_restrict_unprivileged_userns": "1"}, unix.EACCES, "AppArmor profile"},
		{"ubuntu, root in a pod", place{root: true, filtered: true}, map[string]string{"kernel.apparmor_restrict_unprivileged_userns": "1"}, unix.EPERM, "seccomp"},
		{"gvisor or a filter", place{filtered: true}, nil, unix.ENOSYS, "seccomp"},
		{"selinux", place{}, nil, unix.EACCES, "security module"},
		{"not built in", place{}, nil, unix.EINVAL, "kernel built with"},
		{"memory", place{}, nil, unix.ENOMEM, ""},
		{"nothing", place{}, nil, nil, ""},
	} {
		c.place.sysctl = func(key string) string { return c.sysctls[key] }
		got := c.place.fix(c.err, "user")
		if !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}
