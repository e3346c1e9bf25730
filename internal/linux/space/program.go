package space

// Program is one program to start in a Space.
type Program struct {
	// Paths are tried in order until one executes.
	Paths     []string
	Args, Env []string
	Dir       string
	UID, GID  int
	// FDs become descriptors 0, 1 and 2; no other is open in the program.
	FDs     [3]int
	Rlimits Rlimits
	// CgroupFDs are files of cgroups that the program puts itself into by writing
	// "0": cgroup.procs, or tasks in version 1.
	CgroupFDs []int
	// Filter is the seccomp filter, compiled.
	Filter []Insn
	// Capabilities are the bits that stay in the bounding set and, for uid 0,
	// in the permitted and effective sets. 0 is none.
	Capabilities uint64
	// CPUs pins the program to that many of this process's cores; 0 leaves it.
	CPUs int
	// HideProc restricts reading below /proc to the program's own entries
	// (by Landlock), for a bound /proc. Roots are the top-level names of the
	// root directory, and Readable the files below /proc that stay readable.
	HideProc bool
	Roots    []string
	Readable []string
}

// Rlimits are per-process resource limits; 0 leaves one as it is. Core dumps
// are always off.
type Rlimits struct {
	CPUSeconds uint64 // SIGXCPU there, SIGKILL a second later
	FileSize   uint64 // bytes; SIGXFSZ
	Files      uint64 // open files
	Processes  uint64 // tasks of the user in its user namespace, init included
}

// Insn is one instruction of a seccomp filter: struct sock_filter.
type Insn struct {
	Code   uint16
	JT, JF uint8
	K      uint32
}
