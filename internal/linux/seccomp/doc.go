// Package seccomp compiles the system call policy of a sandbox into the
// classic BPF program that the kernel runs before each system call.
//
// The policy (policy_linux.go) is data: every system call that the table of the
// architecture names is allowed, but for the rows written out there; every
// other number is answered as a kernel that doesn't have it would. It becomes
// a search tree (tree_linux.go), because the kernel evaluates a filter for
// every system call number when it is attached, before any program runs.
//
// The filter is one layer of several. It narrows what of the kernel a program
// can reach; files, processes, the network and identities are kept apart by
// namespaces, mounts and capabilities. It answers by errno, so that programs
// that try and fall back keep working.
package seccomp

// Policy says what the program under the filter is meant to do. Its zero value
// is the strictest: an own network namespace and no privileges.
type Policy struct {
	// Sockets says which socket families can be opened.
	Sockets Sockets
	// Container is for images that agents work in: it lets through ptrace and
	// process_vm_readv (debuggers), chroot, and turning address randomisation
	// off, all within what capabilities and the pid namespace allow. New
	// namespaces, mounts, bpf, io_uring, keys and the like stay refused.
	Container bool
	// FixedCPUs refuses sched_setaffinity, so that an affinity mask set before
	// the filter limits the cores where no cgroup does.
	FixedCPUs bool
}

// Sockets is a set of socket families and protocols. In every set AF_INET and
// AF_INET6 carry TCP and UDP only (raw, packet, SCTP, DCCP, MPTCP and ping
// sockets are refused), AF_NETLINK only NETLINK_ROUTE, which getifaddrs needs;
// socketpair(AF_UNIX) always works.
type Sockets uint8

// The sets.
const (
	// SocketsPrivate is for a program in a network namespace of its own:
	// AF_UNIX, AF_INET, AF_INET6 and NETLINK_ROUTE.
	SocketsPrivate Sockets = iota
	// SocketsHost is for the host's network namespace. It refuses
	// socket(AF_UNIX): abstract addresses belong to the network namespace, so
	// that it would reach the host's D-Bus or X server, which trust a peer by
	// its uid, and a filter can't see the address.
	SocketsHost
	// SocketsHostScoped is SocketsHost with AF_UNIX, for a caller that has
	// closed abstract addresses by a Landlock scope (ABI 6, Linux 6.12).
	SocketsHostScoped
)
