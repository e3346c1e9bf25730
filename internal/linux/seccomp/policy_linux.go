package seccomp

import (
	"fmt"
	"maps"
	"strings"

	"golang.org/x/sys/unix"
)

// row gives every system call named in calls (separated by spaces) one rule.
type row struct {
	calls string
	rule  rule
}

func eperm(calls string) row  { return row{calls, rule{otherwise: refuse(unix.EPERM)}} }
func enosys(calls string) row { return row{calls, rule{otherwise: refuse(unix.ENOSYS)}} }

// cloneNew are the flags of clone that make a namespace. CLONE_NEWTIME is not
// among them: its bit is part of the exit signal here.
const cloneNew = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS |
	unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// always are the rows of every policy. EPERM is for what needs a privilege
// that no sandbox gives; ENOSYS for what programs have an older way of doing,
// and what kernels may be built without.
var always = []row{
	// No new namespaces: with the capabilities that one gives, the rest of the
	// kernel opens. The flags of clone3 lie in memory, where no filter can
	// look; C libraries go back to clone on ENOSYS, and only on that.
	{"clone", rule{[]branch{{[]test{hasAny(0, cloneNew)}, refuse(unix.EPERM)}}, allow}},
	enosys("clone3"),
	eperm("unshare setns"),
	enosys("listns"),

	// The mount table stays as it was built.
	eperm("mount umount2 pivot_root open_tree open_tree_attr move_mount mount_setattr"),
	eperm("fsopen fsconfig fsmount fspick"),

	// Files by handle instead of by path, and quotas, of a whole file system.
	eperm("open_by_handle_at name_to_handle_at quotactl quotactl_fd fanotify_init fanotify_mark"),
	{"mknod", noDevices(1)},
	{"mknodat", noDevices(2)},

	// Keys are shared by everyone of the same uid, across namespaces.
	eperm("add_key request_key keyctl"),

	// Kernel interfaces with a long history of holes; what they do for a
	// program, it can do otherwise.
	eperm("bpf perf_event_open userfaultfd"),
	enosys("io_uring_setup io_uring_enter io_uring_register memfd_secret"),

	// Other processes. What ptrace may reach depends on Policy.Container;
	// pidfd_getfd could take a descriptor out of the sandbox's init.
	eperm("pidfd_getfd kcmp process_madvise"),
	{"prlimit64", ownLimits},

	// The machine: clocks, names, modules, power, swap, log, ports.
	eperm("settimeofday clock_settime adjtimex clock_adjtime sethostname setdomainname"),
	eperm("init_module finit_module delete_module kexec_load kexec_file_load reboot"),
	eperm("swapon swapoff acct syslog vhangup iopl ioperm lsm_set_self_attr"),

	// Memory placement of the machine. get_mempolicy stays: numeric libraries
	// read it, and do without the others.
	eperm("mbind set_mempolicy set_mempolicy_home_node migrate_pages move_pages"),

	// 16-bit segments, and calls that current kernels don't have or that
	// never did anything.
	enosys("modify_ldt set_thread_area get_thread_area"),
	enosys("uselib ustat sysfs _sysctl lookup_dcookie nfsservctl vserver"),
	enosys("create_module get_kernel_syms query_module epoll_ctl_old epoll_wait_old"),
	enosys("getpmsg putpmsg afs_syscall tuxcall security"),

	{"ioctl", ttyAsUsed},
	{"socketpair", rule{[]branch{{[]test{is(0, unix.AF_UNIX)}, allow}}, refuse(unix.EAFNOSUPPORT)}},
}

// ttyAsUsed refuses typing into a terminal on someone's behalf (TIOCSTI, and
// TIOCLINUX, which pastes) and loading line disciplines. The kernel reads 32
// bits of the request, so that junk above them gets nothing past.
var ttyAsUsed = rule{[]branch{
	{[]test{is(1, unix.TIOCSTI, unix.TIOCLINUX, unix.TIOCSETD)}, refuse(unix.EPERM)},
}, allow}

// ownLimits lets a process set its own limits and read anyone's: with a limit
// on CPU time the sandbox's init could be killed from inside.
var ownLimits = rule{[]branch{
	{[]test{is(0, 0)}, allow},
	{null(2), allow},
}, refuse(unix.EPERM)}

// noDevices refuses to make device nodes; mode is the mode's argument. Plain
// files, fifos and sockets pass.
func noDevices(mode uint32) rule {
	device := masked(mode, unix.S_IFMT, unix.S_IFCHR, unix.S_IFBLK)
	return rule{[]branch{{[]test{device}, refuse(unix.EPERM)}}, allow}
}

// rows are all rows of a policy.
func rows(p Policy) []row {
	out := append([]row{}, always...)
	out = append(out, row{"socket", sockets(p.Sockets)}, row{"personality", personality(p)})
	if !p.Container {
		out = append(out, eperm("ptrace process_vm_readv process_vm_writev chroot"))
	}
	if p.FixedCPUs {
		out = append(out, eperm("sched_setaffinity"))
	}
	return out
}

// sockets is the rule of socket(family, type, protocol). The lists name what
// is allowed, as SOCK_STREAM alone also reaches SCTP, SMC and MPTCP, and
// AF_INET with SOCK_PACKET is a packet socket.
func sockets(s Sockets) rule {
	const typeBits = 0xf // the rest are SOCK_NONBLOCK and SOCK_CLOEXEC
	inet := is(0, unix.AF_INET, unix.AF_INET6)
	streams := masked(1, typeBits, unix.SOCK_STREAM, unix.SOCK_DGRAM)
	out := rule{[]branch{
		{[]test{inet, streams, is(2, 0, unix.IPPROTO_TCP, unix.IPPROTO_UDP)}, allow},
		{[]test{inet, streams}, refuse(unix.EPROTONOSUPPORT)},
		{[]test{inet}, refuse(unix.EPERM)},
		{[]test{is(0, unix.AF_NETLINK), is(2, unix.NETLINK_ROUTE)}, allow},
	}, refuse(unix.EAFNOSUPPORT)}
	if s != SocketsHost {
		out.cases = append([]branch{{[]test{is(0, unix.AF_UNIX)}, allow}}, out.cases...)
	}
	return out
}

// personality lets a program ask (0xffffffff), and choose plain Linux or its
// 2.6 version number. READ_IMPLIES_EXEC is never given. ADDR_NO_RANDOMIZE
// makes a program easier to attack and nothing else, yet nothing that is
// judged needs it; debuggers and sanitizers of a container do.
func personality(p Policy) rule {
	const query, uname26, noRandomize = 0xffffffff, 0x20000, 0x40000
	allowed := []uint32{0, query, uname26}
	if p.Container {
		allowed = append(allowed, noRandomize)
	}
	return rule{[]branch{{[]test{is(0, allowed...)}, allow}}, refuse(unix.EPERM)}
}

// calls gives each number below the result's length its rule; nil is a number
// that names no system call here.
func calls(p Policy) ([]*rule, error) {
	numbers, end := numbersByName()
	out := make([]*rule, end)
	allowed := &rule{otherwise: allow}
	for nr := range maps.Values(numbers) {
		out[nr] = allowed
	}
	for _, r := range rows(p) {
		for name := range strings.FieldsSeq(r.calls) {
			nr, known := numbers[name]
			if !known || out[nr] != allowed {
				return nil, fmt.Errorf("seccomp policy: %s is unknown or has two rows", name)
			}
			out[nr] = &r.rule
		}
	}
	return out, nil
}

// numbersByName reads the architecture's table. The second result is one more
// than the highest number.
func numbersByName() (numbers map[string]int, end int) {
	numbers = map[string]int{}
	for _, run := range table {
		nr := run.first
		for name := range strings.FieldsSeq(run.names) {
			numbers[name] = nr
			nr++
		}
		end = max(end, nr)
	}
	return numbers, end
}

// names is a run of system calls numbered one after the other from first.
type names struct {
	first int
	names string
}
