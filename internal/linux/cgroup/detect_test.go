package cgroup

import (
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const hybridMounts = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`

const unified = "30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"

func TestDiscover(t *testing.T) {
	v2 := func(mount, own string) []hierarchy {
		return []hierarchy{{version: 2, controllers: []string{"memory", "pids", "cpu"}, mount: mount, own: own}}
	}
	tests := []struct {
		name, mountinfo, membership, root string
		want                              []hierarchy
		unmounted                         []string
	}{
		{
			name:      "version 2 alone, a login session",
			mountinfo: unified, membership: "0::/user.slice/user-1000.slice/session-3.scope\n",
			want: v2("/sys/fs/cgroup", "/sys/fs/cgroup/user.slice/user-1000.slice/session-3.scope"),
		},
		{
			name:      "version 2, delegated by systemd",
			mountinfo: unified, membership: "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-u5.scope\n",
			want: v2("/sys/fs/cgroup", "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/run-u5.scope"),
		},
		{
			name:      "hybrid: what version 1 has is used there, and cgroup2 has nothing left for us",
			mountinfo: hybridMounts,
			membership: "9:name=systemd:/\n8:pids:/a\n4:memory:/process/7c\n2:cpuacct:/\n1:cpu:/\n" +
				"0::/\n",
			want: []hierarchy{
				{1, []string{"memory"}, "/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/process/7c"},
				{1, []string{"pids"}, "/sys/fs/cgroup/pids", "/sys/fs/cgroup/pids/a"},
				{1, []string{"cpu"}, "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu"},
				{1, []string{"cpuacct"}, "/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/cpuacct"},
			},
		},
		{
			name:       "a mix: cpu in version 1, the rest in version 2",
			mountinfo:  hybridMounts,
			membership: "1:cpu:/x\n0::/y\n",
			want: []hierarchy{
				{1, []string{"cpu"}, "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu/x"},
				{2, []string{"memory", "pids"}, "/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified/y"},
			},
		},
		{
			name: "version 1 alone, cpu and cpuacct on one mount",
			mountinfo: "25 24 0:21 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
				"26 24 0:22 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
				"27 24 0:23 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n",
			membership: "4:cpu,cpuacct:/user.slice\n3:memory:/user.slice\n2:pids:/user.slice\n1:name=systemd:/user.slice\n",
			want: []hierarchy{
				{1, []string{"memory"}, "/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/user.slice"},
				{1, []string{"pids"}, "/sys/fs/cgroup/pids", "/sys/fs/cgroup/pids/user.slice"},
				{1, []string{"cpu", "cpuacct"}, "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct/user.slice"},
			},
		},
		{
			name: "version 1 in a container without a cgroup namespace: the mount shows the container's part",
			mountinfo: "26 24 0:22 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n" +
				"27 24 0:23 /docker/abc /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n",
			membership: "3:memory:/docker/abc\n2:pids:/docker/abc/inner\n1:cpu:/docker/abc\n",
			want: []hierarchy{
				{1, []string{"memory"}, "/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory"},
				{1, []string{"pids"}, "/sys/fs/cgroup/pids", "/sys/fs/cgroup/pids/inner"},
			},
			unmounted: []string{"cpu"},
		},
		{
			name:      "version 2 in a container with a cgroup namespace",
			mountinfo: unified, membership: "0::/\n",
			want: v2("/sys/fs/cgroup", "/sys/fs/cgroup"),
		},
		{
			name:       "a cgroup namespace whose mount is the host's",
			mountinfo:  "30 23 0:26 /../../kubepods/pod1 /sys/fs/cgroup ro - cgroup2 cgroup ro\n",
			membership: "0::/\n",
			want:       v2("/sys/fs/cgroup", "/sys/fs/cgroup"),
		},
		{
			name:      "a process moved out of its cgroup namespace",
			mountinfo: unified, membership: "0::/../other\n",
			want: v2("/sys/fs/cgroup", "/sys/fs/cgroup"),
		},
		{
			name:       "mounted twice, read-only first",
			mountinfo:  "30 23 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n31 23 0:26 / /run/my\\040cgroup rw - cgroup2 cgroup2 rw\n",
			membership: "0::/a\n",
			want:       v2("/run/my cgroup", "/run/my cgroup/a"),
		},
		{
			name:      "a given root",
			mountinfo: unified, membership: "0::/user.slice\n", root: "/judge.slice",
			want: v2("/sys/fs/cgroup", "/sys/fs/cgroup/judge.slice"),
		},
		{
			name:      "a given root as a directory",
			mountinfo: unified, membership: "0::/user.slice\n", root: "/sys/fs/cgroup/judge.slice/",
			want: v2("/sys/fs/cgroup", "/sys/fs/cgroup/judge.slice"),
		},
		{
			name:      "a given root that climbs stays below the mount",
			mountinfo: unified, membership: "0::/\n", root: "/../../etc",
			want: v2("/sys/fs/cgroup", "/sys/fs/cgroup/etc"),
		},
		{
			name:      "no cgroup file system",
			mountinfo: "22 1 254:0 / / rw - ext4 /dev/vda rw\n", membership: "0::/\n",
			unmounted: []string{"memory", "pids", "cpu"},
		},
		{name: "nothing at all", unmounted: []string{"memory", "pids", "cpu"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, unmounted := discover(tt.mountinfo, tt.membership, tt.root)
			if d := cmp.Diff(tt.want, got, cmp.AllowUnexported(hierarchy{})); d != "" {
				t.Error(d)
			}
			if !slices.Equal(unmounted, tt.unmounted) {
				t.Errorf("unmounted %v, want %v", unmounted, tt.unmounted)
			}
		})
	}
}

// Whatever the texts say, directories stay below their mounts, and every
// controller is in one place or is named as missing.
func FuzzDiscover(f *testing.F) {
	f.Add(hybridMounts, "8:pids:/a\n4:memory:/process/7c\n0::/\n", "")
	f.Add(unified, "0::/../../x\n", "/a/../..")
	f.Add("30 23 0:26 /a\\134b /m\\040 ro - cgroup2 c ro\n", "0::/a\\b/c", "/m /x")
	f.Fuzz(func(t *testing.T, mountinfo, membership, root string) {
		found, unmounted := discover(mountinfo, membership, root)
		seen := map[string]int{}
		for _, h := range found {
			if clean := path.Clean(h.mount); strings.HasPrefix(h.mount, "/") && clean != "/" && h.own != clean && !strings.HasPrefix(h.own, clean+"/") {
				t.Errorf("%q is not below %q", h.own, h.mount)
			}
			for _, c := range h.controllers {
				seen[c]++
			}
		}
		for _, c := range unmounted {
			seen[c]++
		}
		for _, c := range []string{"memory", "pids", "cpu"} {
			if seen[c] != 1 {
				t.Errorf("%s is in %d places", c, seen[c])
			}
		}
	})
}
