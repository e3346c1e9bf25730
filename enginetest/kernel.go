package enginetest

import (
	_ "embed"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"cupel.dev/cupel"
)

// syscalls is a program that makes each call that must be refused, with
// arguments that would succeed where it is allowed, and prints the outcomes.
//
//go:embed testdata/syscalls.py
var syscalls string

func kernelRequirements() []requirement {
	all := []requirement{
		{"no capability is held", noCapabilities},
		{"no_new_privs and a seccomp filter are on", filterOn},
		{"a setuid program gains nothing", setuid},
		{"there are no core dumps", noCore},
		{"there is no controlling terminal", noTerminal},
		{"Docker's capabilities may be asked for", containerPrivileges},
	}
	for _, group := range refusedCalls {
		all = append(all, requirement{group.name, refuses(group.calls, group.errnos)})
	}
	return all
}

var eperm = []string{"EPERM", "EACCES", "ENOSYS"}

// refusedCalls are the names that testdata/syscalls.py prints.
var refusedCalls = []struct {
	name   string
	calls  []string
	errnos []string
}{
	{"mounting is refused", []string{"mount", "umount2", "remount", "pivot_root", "open_tree", "fsopen", "move_mount", "mount_setattr"}, eperm},
	{"new namespaces are refused", []string{"unshare_user", "unshare_mnt", "unshare_net", "clone_newuser", "setns"}, eperm},
	{"clone3 is not there", []string{"clone3"}, []string{"ENOSYS"}},
	{"calls that no kernel has are not there", []string{"unknown"}, []string{"ENOSYS"}},
	{"bpf and perf are refused", []string{"bpf", "perf_event_open"}, eperm},
	{"io_uring is refused", []string{"io_uring_setup"}, eperm},
	{"keyrings are refused", []string{"keyctl", "add_key", "request_key"}, eperm},
	{"userfaultfd is refused", []string{"userfaultfd"}, eperm},
	{"opening by handle is refused", []string{"open_by_handle_at"}, append([]string{"EOPNOTSUPP"}, eperm...)},
	{"tracing and reading the first process is refused", []string{"ptrace_init", "process_vm_readv_init", "process_vm_writev_init", "pidfd_getfd_init", "kcmp_init"},
		append([]string{"ESRCH"}, eperm...)},
	{"modules, kexec, reboot and swap are refused", []string{"init_module", "finit_module", "delete_module", "kexec_load", "reboot", "swapon", "acct", "quotactl"}, eperm},
	{"clocks and names are refused", []string{"settimeofday", "clock_settime", "adjtimex", "sethostname", "setdomainname"}, eperm},
	{"devices can't be made", []string{"mknod_block", "mknod_char"}, eperm},
	{"another architecture is refused", []string{"x32"}, append([]string{"killed"}, eperm...)},
	{"typing into a terminal is refused", []string{"tiocsti"}, append([]string{"ENOTTY", "EIO", "ENXIO"}, eperm...)},
	{"raw and odd sockets are refused", []string{"packet", "raw", "vsock", "alg", "bluetooth", "key", "netlink_netfilter", "sctp"},
		append([]string{"EAFNOSUPPORT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "EINVAL"}, eperm...)},
}

// refuses requires that each call failed with one of the errnos.
func refuses(calls, errnos []string) func(*check) {
	return func(c *check) {
		c.needPython()
		c.suite.tried.Do(func() { c.suite.outcomes = c.outcomes(c.sandbox()) })
		for _, call := range calls {
			switch errno, known := c.suite.outcomes[call]; {
			case !known:
				c.Errorf("%s was not tried", call)
			case errno == "absent":
			case !slices.Contains(errnos, errno):
				c.Errorf("%s: %s, want one of %v", call, errno, errnos)
			}
		}
	}
}

// outcomes runs the program of calls.
func (c *check) outcomes(sb cupel.Sandbox) map[string]string {
	c.Helper()
	out := c.exec(sb, cupel.Cmd{Args: []string{"python3", "-"}, Stdin: strings.NewReader(syscalls)}).ok(c)
	var got map[string]string
	if err := json.Unmarshal([]byte(out.stdout), &got); err != nil {
		c.Fatalf("the calls did not end: %v, %s", err, out)
	}
	return got
}

// status reads /proc/self/status.
func (c *check) status(sb cupel.Sandbox) map[string]string {
	c.Helper()
	got := map[string]string{}
	for _, line := range c.exec(sb, cupel.Cmd{Args: []string{"cat", "/proc/self/status"}}).ok(c).lines() {
		name, value, _ := strings.Cut(line, ":")
		got[name] = strings.TrimSpace(value)
	}
	return got
}

func noCapabilities(c *check) {
	c.noCapabilities(c.sandbox())
	sb, err := c.suite.engine.Create(c.ctx, c.spec(cupel.Spec{User: "1000"}))
	if cupel.KindOf(err) == cupel.Unsupported {
		c.Logf("another user than root is not tried: %v", err)
		return
	}
	if err != nil {
		c.Fatal(err)
	}
	c.closeLater(sb)
	c.noCapabilities(sb)
}

func (c *check) noCapabilities(sb cupel.Sandbox) {
	c.Helper()
	status := c.status(sb)
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		if v, there := status[set]; !there || strings.Trim(v, "0") != "" {
			c.Errorf("%s is %q for user %s, want zero", set, v, status["Uid"])
		}
	}
}

func filterOn(c *check) {
	status := c.status(c.sandbox())
	if status["NoNewPrivs"] != "1" || status["Seccomp"] != "2" {
		c.Errorf("NoNewPrivs %q, Seccomp %q, want 1 and 2", status["NoNewPrivs"], status["Seccomp"])
	}
}

func setuid(c *check) {
	sb := c.sandbox(inWork())
	c.sh(sb, "cp $(command -v id) ./id && chmod 6755 id && chmod 755 .").ok(c)
	cmd := cupel.Cmd{Args: []string{"./id", "-u"}, User: "1000"}
	out := c.try(sb, cmd)
	if cupel.KindOf(out.err) == cupel.Unsupported {
		c.Skipf("the engine says: %v", out.err)
	}
	if out.err != nil || out.stdout != "1000\n" && out.Status == cupel.StatusOK {
		c.Errorf("a setuid program ran as %s (%v)", out, out.err)
	}
}

func noCore(c *check) {
	sb := c.sandbox(inWork())
	c.sh(sb, "ulimit -c; ulimit -Hc; ulimit -c unlimited 2>/dev/null; ulimit -c").ok(c).says(c, "0\n0\n0\n")
	c.sh(sb, "sh -c 'kill -SEGV $$'; sh -c 'kill -ABRT $$'; ls -A").ok(c).says(c, "")
}

func noTerminal(c *check) {
	c.sh(c.sandbox(), "( exec 3<> /dev/tty ) 2>/dev/null && echo opens; exit 0").ok(c).says(c, "")
}

// dockerCapabilities is the set that Docker gives a container by default.
const dockerCapabilities = 0xa80425fb

func containerPrivileges(c *check) {
	sb := c.sandboxOrSkip(inWork(), cupel.Spec{Privileges: cupel.PrivilegesContainer})
	status := c.status(sb)
	eff, err := strconv.ParseUint(status["CapEff"], 16, 64)
	if err != nil || eff == 0 || eff&^dockerCapabilities != 0 {
		c.Errorf("CapEff is %q (%v), want a part of %x", status["CapEff"], err, uint64(dockerCapabilities))
	}
	if status["NoNewPrivs"] == "" || status["Seccomp"] != "2" {
		c.Errorf("Seccomp is %q, want 2", status["Seccomp"])
	}
	c.needPython()
	got := c.outcomes(sb)
	for _, call := range []string{"mount", "unshare_mnt", "bpf", "init_module", "keyctl", "open_by_handle_at", "mknod_block", "settimeofday", "reboot"} {
		if errno := got[call]; errno == "ok" || errno == "" {
			c.Errorf("%s: %q although these capabilities are not Docker's", call, errno)
		}
	}
}
