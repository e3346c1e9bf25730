//go:build linux

package cgroup

import (
	"math"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseOwner(t *testing.T) {
	me, err := self()
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := parseOwner("cupel", me.directory("cupel")); !ok || got != me {
		t.Errorf("%s is read as %+v %v", me.directory("cupel"), got, ok)
	}
	for _, name := range []string{
		"cupel", "cupel.", "cupel.1-2-3", "cupel.1-2-3-4-5", "cupel.0-2-3-4", "cupel.-1-2-3-4", "cupel.a-2-3-4",
		"cupel.99999999999-2-3-4", "cupeltest.1-2-3-4", "docker", "cupel-self", "cupel.1-2-3-",
	} {
		if o, ok := parseOwner("cupel", name); ok {
			t.Errorf("%s is taken for the directory of %+v", name, o)
		}
	}
}

func TestOwnerDead(t *testing.T) {
	me, err := self()
	if err != nil {
		t.Fatal(err)
	}
	if me.dead() {
		t.Error("we are dead")
	}
	if earlier := (owner{me.pid, me.start - 1, me.ns}); !earlier.dead() {
		t.Error("an earlier process of our pid lives")
	}
	if never := (owner{1 << 29, 1, me.ns}); !never.dead() {
		t.Error("a pid beyond all pids lives")
	}
	if first := (owner{1, 0, me.ns}); os.Getpid() != 1 && first.dead() {
		t.Log("init started at another time than 0") // either is right
	}
}

func TestParseStat(t *testing.T) {
	const tail = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20 21"
	for _, comm := range []string{"(cupel)", "(a b)", "(a) R 1 (b))", "()"} {
		start, state, err := parseStat("12 " + comm + tail)
		if err != nil || start != 4242 || state != 'S' {
			t.Errorf("%s: started at %d in state %c, %v", comm, start, state, err)
		}
	}
	for _, text := range []string{"", "12", "12 (x) S 1", "12 (x" + tail[:20]} {
		if _, _, err := parseStat(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func TestParseKeyed(t *testing.T) {
	tests := []struct {
		text string
		want [2]int64
	}{
		{"low 0\nhigh 0\nmax 7\noom 1\noom_kill 3\noom_group_kill 9\n", [2]int64{7, 3}},
		{"oom_kill_disable 0\nunder_oom 0\noom_kill 5", [2]int64{-1, 5}},
		{"max max\noom_kill 99999999999999999999", [2]int64{math.MaxInt64, math.MaxInt64}},
		{"max\nmax \noom_kill x", [2]int64{0, 0}},
		{"\n\n", [2]int64{-1, -1}},
		{"", [2]int64{-1, -1}},
	}
	for _, tt := range tests {
		got := [2]int64{-1, -1}
		parseKeyed([]byte(tt.text), eventKeys, got[:])
		if got != tt.want {
			t.Errorf("%q: %v, want %v", tt.text, got, tt.want)
		}
	}
}

func FuzzParseKeyed(f *testing.F) {
	f.Add([]byte("max 7\noom_kill 3\n"))
	f.Add([]byte("max max"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var values [2]int64
		parseKeyed(text, eventKeys, values[:])
		if values[0] < 0 || values[1] < 0 {
			t.Errorf("%q: %v", text, values)
		}
	})
}

func TestExplain(t *testing.T) {
	all := []string{"memory", "pids", "cpu"}
	tests := []struct {
		name string
		o    obstacle
		uid  int
		want []string
	}{
		{"user session", obstacle{all, 2, "/sys/fs/cgroup/user.slice/user-1000.slice/session-3.scope", unix.EACCES}, 1000,
			[]string{"no memory, pids, cpu", "uid 1000", "session-3.scope", "systemd-run --user --scope -p Delegate=yes"}},
		{"cpu not delegated", obstacle{[]string{"cpu"}, 2, "/sys/fs/cgroup/user.slice/x", errNotHere}, 1000,
			[]string{"no cpu", "not handed down", "Delegate=yes"}},
		{"cpu not handed to users", obstacle{[]string{"cpu"}, 2, "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/a", errNotHere}, 1000,
			[]string{"no cpu", "systemctl edit user@.service", "Delegate=cpu memory pids"}},
		{"kernel without memory", obstacle{[]string{"memory"}, 2, "/sys/fs/cgroup", errNotHere}, 0,
			[]string{"no memory", "cgroup_enable=memory"}},
		{"root beside others", obstacle{all, 2, "/sys/fs/cgroup/a", errOccupied}, 0,
			[]string{"processes of others", "systemd-run --scope"}},
		{"container", obstacle{all, 2, "/sys/fs/cgroup", unix.EROFS}, 0,
			[]string{"read-only", "writable-cgroups=true", "unmask=/sys/fs/cgroup"}},
		{"version 1, plain user", obstacle{[]string{"memory"}, 1, "/sys/fs/cgroup/memory/a", unix.EACCES}, 1000,
			[]string{"no memory", "mkdir", "chown -R 1000", "/cupel-1000"}},
		{"given root is not there", obstacle{[]string{"pids"}, 1, "/sys/fs/cgroup/pids/judge", os.ErrNotExist}, 1000,
			[]string{"no pids", "mkdir /sys/fs/cgroup/pids/judge; chown -R 1000 /sys/fs/cgroup/pids/judge"}},
		{"unmounted", obstacle{[]string{"pids"}, 1, "", errUnmounted}, 0,
			[]string{"no pids", "not mounted", "mount -t cgroup -o pids"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := explain([]obstacle{tt.o, tt.o}, tt.uid)
			for _, part := range tt.want {
				if !strings.Contains(got, part) {
					t.Errorf("%q lacks %q", got, part)
				}
			}
			if strings.Count(got, "no "+strings.Join(tt.o.controllers, ", ")+":") != 1 || strings.Contains(got, "\n") {
				t.Errorf("%q", got)
			}
		})
	}
	if got := explain([]obstacle{{[]string{"cpuacct"}, 1, "", unix.EACCES}}, 0); got != "" {
		t.Errorf("cpuacct bounds nothing, and its absence is explained: %q", got)
	}
}
