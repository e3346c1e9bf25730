package space

// Program is one program to start in a Space.
type Program struct {
	// Paths are tried in order until one executes.
	Paths     []string
	Args, Env []string
	Dir       string
	UID, GID  int
	// FDs become descriptors 0, 1 and 2; no other is open in the program.
	FDs [3]int
	// Rlimits are set as soft and hard limit.
	Rlimits []Rlimit
	// CgroupFDs are cgroup.procs files that the program puts itself into.
	CgroupFDs []int
	// Filter is the seccomp filter, compiled.
	Filter []Insn
	// Capabilities are the bits that stay in the bounding set and, for uid 0,
	// in the permitted and effective sets. 0 is none.
	Capabilities uint64
	// HideProc restricts reading below /proc to the program's own entries
	// (by Landlock), for a bound /proc. Roots are the top-level names of the
	// root directory, and Readable the files below /proc that stay readable.
	HideProc bool
	Roots    []string
	Readable []string
}

// Rlimit is a resource limit, soft and hard alike.
type Rlimit struct {
	Resource int
	Value    uint64
}

// Insn is one instruction of a seccomp filter: struct sock_filter.
type Insn struct {
	Code   uint16
	JT, JF uint8
	K      uint32
}
