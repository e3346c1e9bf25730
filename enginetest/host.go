package enginetest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cupel.dev/cupel"
)

func hostRequirements() []requirement {
	return []requirement{
		{"only the descriptors 0 to 2 are open", descriptors},
		{"/proc shows the sandbox's own processes alone", ownProcesses},
		{"the host's processes can't be read or signalled", hostProcesses},
		{"the first process can't be looked into", lookIntoInit},
		{"files of the host are absent", hostFiles},
		{"the host's environment is absent", hostEnvironment},
		{"the host's name is not shown", hostName},
		{"dangerous files of /proc are masked", maskedProc},
		{"/sys is absent or empty", sysAbsent},
		{"/dev is minimal and works", minimalDev},
		{"the root file system is read-only", readOnlyRoot},
		{"a writable root is private", writableRoot},
		{"in a writable root programs of the image can be replaced", replacePrograms},
		{"mounts show a host path, read-only unless asked", hostMounts},
		{"no control group is in reach", noControlGroup},
	}
}

func descriptors(c *check) {
	// ls opens the directory itself as the lowest free number.
	c.exec(c.sandbox(), cupel.Cmd{Args: []string{"ls", "/proc/self/fd"}}).ok(c).says(c, "0\n1\n2\n3\n")
}

func (c *check) needOwnProc() {
	if c.suite.isolation.Tier != cupel.TierNamespaces {
		c.Skipf("tier %s has no /proc of its own", c.suite.isolation.Tier)
	}
}

func ownProcesses(c *check) {
	c.needOwnProc()
	out := c.sh(c.sandbox(), "ls /proc | grep '^[0-9]'").ok(c)
	if n := len(out.lines()); n == 0 || n > 6 {
		c.Errorf("%d processes are seen: %v", n, out.lines())
	}
}

func hostProcesses(c *check) {
	c.Setenv("CUPEL_ENGINETEST_SECRET", "of the host")
	sb := c.sandbox()
	// The number means another process inside, or none.
	pid := os.Getpid()
	out := c.sh(sb, fmt.Sprintf(`for f in environ cmdline maps mem; do head -c 4000 /proc/%d/$f | tr '\0' '\n'; done 2>/dev/null; [ $$ = %d ] || kill -0 %d; :`, pid, pid, pid)).ok(c)
	if strings.Contains(out.stdout, "CUPEL_ENGINETEST_SECRET") || strings.Contains(out.stdout, filepath.Base(os.Args[0])) {
		c.Errorf("the test's own process is read from inside: %s", out)
	}
}

func lookIntoInit(c *check) {
	out := c.sh(c.sandbox(), `[ $$ = 1 ] && exit 0
		for f in environ mem maps auxv stack syscall pagemap; do
			[ "$(head -c 64 /proc/1/$f 2>/dev/null | wc -c)" = 0 ] || echo "$f is read"
		done
		for f in cwd root map_files; do ls /proc/1/$f/ >/dev/null 2>&1 && echo "$f is listed"; done
		for f in exe cwd root fd/0 fd/1 fd/2 fd/3 fd/4 fd/5 fd/6 fd/7 ns/pid ns/user; do readlink /proc/1/$f && echo "$f is read"; done
		for f in mem oom_score_adj; do ( : >> /proc/1/$f ) 2>/dev/null && echo "$f is written"; done; exit 0`).ok(c)
	out.says(c, "")
}

func hostFiles(c *check) {
	sb, t := c.sandbox(), c.trap()
	paths := []string{
		t.dir, "/root/.ssh", "/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock",
		"/var/run/secrets", "/run/secrets", "/run/user", "/run/systemd", "/run/dbus", "/var/lib/docker", "/etc/shadow-", "/etc/ssh", "/boot/grub",
		"/var/spool/cron", "/var/log/auth.log", "/.dockerenv",
	}
	if home, err := os.UserHomeDir(); err == nil {
		for _, name := range []string{".ssh", ".netrc", ".gitconfig", ".git-credentials", ".aws", ".kube", ".docker", ".bash_history", ".cache", ".config/gh"} {
			paths = append(paths, filepath.Join(home, name))
		}
	}
	script := `for p; do [ -e "$p" ] || [ -L "$p" ] || continue; echo "$p"; done`
	out := c.exec(sb, cupel.Cmd{Args: append([]string{"/bin/sh", "-c", script, "sh"}, paths...)}).ok(c)
	if out.stdout != "" {
		c.Errorf("the host's files are there: %v", out.lines())
	}
	c.sh(sb, "cat /etc/shadow 2>/dev/null | grep -E '^[^:]+:[$]'; :").ok(c).says(c, "")
}

func hostEnvironment(c *check) {
	t := c.trap()
	c.Setenv("CUPEL_ENGINETEST_SECRET", t.secret)
	out := c.sh(c.sandbox(), "env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null; :").ok(c)
	if strings.Contains(out.stdout, t.secret) {
		c.Errorf("the host's environment is seen: %s", out)
	}
}

func hostName(c *check) {
	name, err := os.Hostname()
	if err != nil {
		c.Fatal(err)
	}
	out := c.sh(c.sandbox(), "uname -n; cat /proc/sys/kernel/hostname").ok(c)
	if slices.Contains(out.lines(), name) {
		c.Errorf("the host's name %s is seen", name)
	}
}

// maskedProc opens and reads, and never writes: opened for writing, these
// files do nothing.
func maskedProc(c *check) {
	out := c.sh(c.sandbox(), `
		for f in sysrq-trigger sys/kernel/core_pattern sys/kernel/modprobe sys/kernel/hotplug sys/kernel/hostname sys/vm/drop_caches \
			sys/vm/panic_on_oom sys/kernel/panic sys/kernel/ns_last_pid irq/default_smp_affinity bus/pci sys/fs/binfmt_misc/register mtrr; do
			[ -c /proc/$f ] && continue
			( : >> /proc/$f ) 2>/dev/null && echo "$f is writable"
		done
		for f in kcore keys key-users timer_list kallsyms sched_debug kpagecount kpageflags latency_stats vmallocinfo slabinfo; do
			[ "$(head -c 64 /proc/$f 2>/dev/null | wc -c)" = 0 ] || echo "$f is readable"
		done
		[ -e /proc/kmsg ] && [ ! -c /proc/kmsg ] && ( exec 3< /proc/kmsg ) 2>/dev/null && echo "kmsg opens"
		for d in acpi scsi asound; do [ -z "$(ls -A /proc/$d 2>/dev/null)" ] || echo "$d is listed"; done; exit 0`).ok(c)
	out.says(c, "")
}

func sysAbsent(c *check) {
	c.sh(c.sandbox(), "ls -A /sys 2>/dev/null; :").ok(c).says(c, "")
}

func minimalDev(c *check) {
	sb := c.sandbox()
	allowed := strings.Fields("null zero full random urandom tty shm mqueue pts ptmx fd stdin stdout stderr core console")
	for _, name := range c.sh(sb, "ls -A /dev").ok(c).lines() {
		if !slices.Contains(allowed, name) {
			c.Errorf("/dev/%s is there", name)
		}
	}
	c.sh(sb, `echo x > /dev/null && [ "$(head -c 3 /dev/zero | wc -c)" = 3 ] && [ "$(head -c 3 /dev/urandom | wc -c)" = 3 ] && ! echo x > /dev/full && echo ok`).
		ok(c).says(c, "ok\n")
}

func readOnlyRoot(c *check) {
	out := c.sh(c.sandbox(), `for d in / /usr /usr/bin /usr/lib /etc /bin /lib /var /opt /proc /proc/self /sys /dev/pts; do
		[ -d $d ] || continue
		( touch "$d/cupel-probe" ) 2>/dev/null && echo "$d is writable"
	done
	for f in /etc/passwd /bin/sh /usr/bin/env /etc/ld.so.cache; do ( : >> $f ) 2>/dev/null && echo "$f is writable"; done; rm -f /bin/ls /etc/passwd 2>/dev/null; [ -e /bin/ls ] && [ -e /etc/passwd ] || echo removed; exit 0`).ok(c)
	out.says(c, "")
}

func writableRoot(c *check) {
	sb := c.sandboxOrSkip(cupel.Spec{Writable: true})
	c.sh(sb, "echo mine > /mine && echo mine > /usr/mine && echo mine >> /etc/passwd && mkdir -p /opt/mine && cat /mine /usr/mine && tail -n 1 /etc/passwd").
		ok(c).says(c, "mine\nmine\nmine\n")
	other := c.sandbox(cupel.Spec{Writable: true})
	c.sh(other, "cat /mine /usr/mine 2>/dev/null; tail -n 1 /etc/passwd | grep mine; echo pristine").ok(c).says(c, "pristine\n")
}

func replacePrograms(c *check) {
	sb := c.sandboxOrSkip(cupel.Spec{Writable: true})
	c.sh(sb, `rm /usr/bin/env && printf '#!/bin/sh\necho mine\n' > /usr/bin/env && chmod 755 /usr/bin/env && touch /usr/lib/mine && /usr/bin/env`).ok(c).says(c, "mine\n")
	c.sh(c.sandbox(cupel.Spec{Writable: true}), "/usr/bin/env echo pristine").ok(c).says(c, "pristine\n")
}

func hostMounts(c *check) {
	t := c.trap()
	rw := c.TempDir()
	if err := os.Chmod(rw, 0o777); err != nil {
		c.Fatal(err)
	}
	sb := c.sandboxOrSkip(cupel.Spec{Mounts: []cupel.Mount{
		{Source: t.dir, Target: "/mnt/ro"}, {Source: rw, Target: "/mnt/rw", Writable: true},
	}})
	out := c.sh(sb, "cat /mnt/ro/secret; ( echo x > /mnt/ro/secret ) 2>/dev/null; ( touch /mnt/ro/new ) 2>/dev/null; echo written > /mnt/rw/f; exit 0").ok(c)
	out.says(c, t.secret)
	t.untouched(c)
	if body, err := os.ReadFile(filepath.Join(rw, "f")); string(body) != "written\n" {
		c.Errorf("the writable mount has %q, %v", body, err)
	}
}

func noControlGroup(c *check) {
	out := c.sh(c.sandbox(), `n=0; while read -r line; do case "$line" in *cgroup*) n=$((n+1));; esac; done < /proc/self/mounts
		echo $n; ls /sys/fs/cgroup 2>/dev/null; exit 0`).ok(c)
	if n, err := strconv.Atoi(strings.TrimSpace(out.stdout)); err != nil || n != 0 {
		c.Errorf("control groups are mounted: %s", out)
	}
}
