package remote_test

import (
	"maps"
	"os"
	"testing"

	"cupel.dev/cupel"
	"cupel.dev/cupel/enginetest"
	"cupel.dev/cupel/internal/engine/remote"
)

// TestEngineRemote runs the suite on the server at $CUPEL_TEST_ENCLAVE_URL, an
// original one unless $CUPEL_TEST_ENCLAVE_OURS is set; the end-to-end tests
// start one. $CUPEL_TEST_ENCLAVE_IMAGE and _KEY go with it.
func TestEngineRemote(t *testing.T) {
	url := os.Getenv("CUPEL_TEST_ENCLAVE_URL")
	if url == "" {
		t.Skip("CUPEL_TEST_ENCLAVE_URL names no server; the end-to-end tests do")
	}
	cannot := cannotTheirs
	if os.Getenv("CUPEL_TEST_ENCLAVE_OURS") != "" {
		cannot = cannotOurs
	}
	conform(t, remote.Config{BaseURL: url, APIKey: os.Getenv("CUPEL_TEST_ENCLAVE_KEY"), Image: os.Getenv("CUPEL_TEST_ENCLAVE_IMAGE")}, cannot)
}

func conform(t *testing.T, cfg remote.Config, cannot map[string]string) {
	all := maps.Clone(cannot)
	maps.Copy(all, cannotProtocol)
	enginetest.Run(t, func(t *testing.T) cupel.Engine {
		e, err := remote.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}, enginetest.Options{Cannot: all})
}

// What no server can be asked for, with the reasons.
const (
	whole      = "stdin is sent whole before the program starts"
	atTheEnd   = "output comes when the program has ended, so that nothing can be told from it before"
	processes  = "the protocol has no word for a limit on processes; other than the default is refused"
	disk       = "the protocol has no word for a limit on disk and inodes; other than the default is refused"
	sameUser   = "the script that watches the program is the same user's in the same container: killing all kills it"
	ctxDeletes = "a call whose context ends deletes its sandbox"
)

var cannotProtocol = map[string]string{
	"exec/an invalid Cmd is refused": processes + "; TestInvalidCmd does it without",

	"stdio/stdin that nobody reads delays nothing":     whole,
	"stdio/stdin that never comes delays nothing":      whole,
	"stdio/a program may close stdin early":            whole,
	"stdio/output arrives while the program runs":      atTheEnd,
	"lifecycle/closing a sandbox ends what runs in it": atTheEnd + "; TestCloseEndsWhatRuns does it without",
	"lifecycle/closing an engine ends what runs":       atTheEnd + "; TestCloseEndsWhatRuns does it without",

	"tree/kill -1 reaches the program's own processes only":            sameUser,
	"parallel/Execs in one sandbox don't reach each other's processes": sameUser,
	"tree/cancelling ends the program and returns what was seen":       ctxDeletes + "; TestCancelDeletes does what is left",
	"tree/a deadline is kind canceled":                                 ctxDeletes + "; TestCancelDeletes does what is left",
	"tree/orphans are reaped":                                          processes,

	"files/Put does not write over the disk limit": disk,

	"limits/processes: a fork too many fails":                processes,
	"limits/processes: threads count":                        processes,
	"limits/processes: a fork bomb is bounded":               processes,
	"limits/the limits of two sandboxes are apart":           processes,
	"limits/every limit is fresh for the next Exec":          processes,
	"limits/disk: bytes":                                     disk,
	"limits/disk: one total over all places":                 disk,
	"limits/disk: inodes":                                    disk,
	"limits/disk: what is removed is free again":             disk,
	"limits/a limit survived with exit 0 is ok and named":    disk,
	"limits/the limit that ended the program is named first": disk,

	"neighbours/a neighbour is another host to a shell":           sameUser,
	"neighbours/abstract sockets do not cross":                    atTheEnd,
	"neighbours/System V shared memory does not cross":            atTheEnd,
	"neighbours/System V message queues do not cross":             atTheEnd,
	"neighbours/System V semaphores do not cross":                 atTheEnd,
	"neighbours/POSIX message queues do not cross":                atTheEnd,
	"neighbours/ports of loopback do not cross":                   atTheEnd,
	"neighbours//dev/shm does not cross":                          atTheEnd,
	"neighbours/the host name does not cross":                     atTheEnd,
	"neighbours/flock on a file of the image does not cross":      atTheEnd,
	"neighbours/record locks on a file of the image do not cross": atTheEnd,
	"neighbours//proc/locks shows no lock of a neighbour":         atTheEnd,
	"neighbours/inotify on a file of the image does not cross":    atTheEnd,
}

// What the original's containers don't do.
const (
	notCounted = "files in a container are on the host's disk, and its /dev/shm is small and not emptied"
	docker     = "Docker gives a container this"
)

var cannotTheirs = map[string]string{
	"limits/memory: files in /tmp count":        notCounted,
	"limits/memory: files in /dev/shm count":    notCounted,
	"usage/the memory peak is what was touched": "no control group counts one program of a container; 0 is reported",

	"host/the first process can't be looked into":             docker,
	"host/files of the host are absent":                       docker + ": /.dockerenv",
	"host/dangerous files of /proc are masked":                docker + ": it masks fewer",
	"host//sys is absent or empty":                            docker,
	"host/the root file system is read-only":                  docker + ": a root that is its own and writable",
	"host/no control group is in reach":                       docker + ": read-only",
	"kernel/no capability is held":                            docker + "'s default capabilities",
	"kernel/no_new_privs and a seccomp filter are on":         docker + ": a filter, and no no_new_privs",
	"kernel/a setuid program gains nothing":                   "other users than root are refused",
	"kernel/io_uring is refused":                              docker + " up to version 24",
	"kernel/tracing and reading the first process is refused": docker + ": the same user's",
	"kernel/devices can't be made":                            docker + ": CAP_MKNOD, and a device group that lets few be opened",
	"kernel/typing into a terminal is refused":                docker + ": terminals of its own",
	"kernel/raw and odd sockets are refused":                  docker + ": CAP_NET_RAW in its own network",
}

// What Cupel's own server does otherwise, since its users expect containers.
var cannotOurs = map[string]string{
	"host/the root file system is read-only":                        "a sandbox of the protocol has a writable root, as containers do",
	"host/in a writable root programs of the image can be replaced": "the host image's files belong to nobody inside, as with the native engine",
	"kernel/there is no controlling terminal":                       "in a writable root the name /dev/tty can be made, as a plain file",
}
