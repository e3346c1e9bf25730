package cupel

import "time"

// Result is what a program did. See Status for the closed set of endings.
type Result struct {
	Status Status
	// ExitCode is the program's own, or -1 when it did not exit by itself.
	ExitCode int
	// Signal is "SIGSEGV"-style when a signal ended the program, else "".
	Signal string
	// LimitsHit names the limits that ended the program or that it was seen
	// to run into, the one that is the Status first.
	LimitsHit []LimitName
	// StdoutTruncated and StderrTruncated say that more was written than
	// Limits.Output allows to keep.
	StdoutTruncated, StderrTruncated bool
	Usage                            Usage
	Isolation                        Isolation
	// Startup is StartupCold when the sandbox was made for this Exec or by a
	// Create just before, StartupWarm when it waited in a pool.
	Startup Startup
}

// Status is how a program ended. The set is closed: a failure of the machine
// is an error, never a Status.
type Status string

// The statuses. A limit that ended the program, or that it ran into and then
// failed, is the status; one that it survived with exit 0 is StatusOK with the
// limit in LimitsHit.
const (
	StatusOK           Status = "ok"       // exit 0
	StatusNonzero      Status = "nonzero"  // any other exit; not found is 127, not executable 126
	StatusSignaled     Status = "signaled" // ended by a signal that no limit sent
	StatusTimeLimit    Status = "time_limit"
	StatusCPULimit     Status = "cpu_limit"
	StatusMemoryLimit  Status = "memory_limit"
	StatusOutputLimit  Status = "output_limit"
	StatusDiskLimit    Status = "disk_limit" // bytes or inodes
	StatusProcessLimit Status = "process_limit"
	StatusCompileError Status = "compile_error" // set by language runs, never by an engine
)

// LimitName names a limit in Result.LimitsHit and Usage.Unobserved.
type LimitName string

// The limits' names, a closed set.
const (
	LimitTime      LimitName = "time"
	LimitCPU       LimitName = "cpu"
	LimitMemory    LimitName = "memory"
	LimitOutput    LimitName = "output"
	LimitDisk      LimitName = "disk"
	LimitInodes    LimitName = "inodes"
	LimitProcesses LimitName = "processes"
	LimitFiles     LimitName = "files"
	LimitFileSize  LimitName = "file_size"
)

// Usage is what the whole process tree used.
type Usage struct {
	Wall          time.Duration
	CPUUser       time.Duration
	CPUSys        time.Duration
	MemoryPeak    Size
	ProcessesPeak int
	// Unobserved names the limits that are enforced here, but whose hitting
	// leaves no evidence in this place.
	Unobserved []LimitName
}

// Startup says whether a sandbox was waiting.
type Startup string

// The kinds of start.
const (
	StartupCold Startup = "cold"
	StartupWarm Startup = "warm"
)
