//go:build linux && amd64

package seccomp

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The tests below need a process that can be spoiled. The test binary runs
// itself with childEnv set to the policy, attaches the filter and either makes
// the system calls of probes and prints their errnos, or executes childArgs.
const childEnv = "CUPEL_SECCOMP_TEST_POLICY"

func TestMain(m *testing.M) {
	if p := os.Getenv(childEnv); p != "" {
		child(p, os.Args[1:])
	}
	os.Exit(m.Run())
}

func child(policy string, args []string) {
	var p Policy
	err := json.Unmarshal([]byte(policy), &p)
	if err == nil {
		runtime.LockOSThread()
		err = attach(p, unix.SECCOMP_FILTER_FLAG_TSYNC)
	}
	if err == nil && len(args) > 0 {
		err = unix.Exec(args[0], args, os.Environ())
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(9)
	}
	for _, pr := range probes {
		_, _, errno := unix.RawSyscall6(pr.nr, pr.args[0], pr.args[1], pr.args[2], pr.args[3], 0, 0)
		fmt.Println(int(errno))
	}
	os.Exit(0)
}

// attach filters the calling thread, or the process with TSYNC.
func attach(p Policy, flags uintptr) error {
	prog, err := Filter(p)
	if err != nil {
		return err
	}
	return attachProgram(prog, flags)
}

func attachProgram(prog []unix.SockFilter, flags uintptr) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	return nil
}

// bad is a descriptor that is never open: calls that get past the filter fail
// with EBADF and change nothing.
const bad = 1 << 20

// probe is a system call, and what it gives under the strictest policy. For
// those that pass the filter that is what the kernel says to such arguments.
type probe struct {
	name string
	nr   uintptr
	args [4]uintptr
	want unix.Errno
	// container and host are what it gives under Policy{Container: true} and
	// Policy{Sockets: SocketsHost}; same means as want.
	container, host unix.Errno
}

const same = unix.Errno(4000)

var probes = []probe{
	{"clone3", unix.SYS_CLONE3, [4]uintptr{}, unix.ENOSYS, same, same},
	{"clone new user", unix.SYS_CLONE, [4]uintptr{unix.CLONE_NEWUSER}, unix.EPERM, same, same},
	{"clone new net, junk above", unix.SYS_CLONE, [4]uintptr{unix.CLONE_NEWNET | 1<<40}, unix.EPERM, same, same},
	{"unshare files", unix.SYS_UNSHARE, [4]uintptr{unix.CLONE_FILES}, unix.EPERM, same, same},
	{"setns", unix.SYS_SETNS, [4]uintptr{bad}, unix.EPERM, same, same},
	{"mount", unix.SYS_MOUNT, [4]uintptr{}, unix.EPERM, same, same},
	{"fsopen", unix.SYS_FSOPEN, [4]uintptr{}, unix.EPERM, same, same},
	{"open_by_handle_at", unix.SYS_OPEN_BY_HANDLE_AT, [4]uintptr{bad}, unix.EPERM, same, same},
	{"keyctl", unix.SYS_KEYCTL, [4]uintptr{}, unix.EPERM, same, same},
	{"bpf", unix.SYS_BPF, [4]uintptr{}, unix.EPERM, same, same},
	{"io_uring_setup", unix.SYS_IO_URING_SETUP, [4]uintptr{}, unix.ENOSYS, same, same},
	{"userfaultfd", unix.SYS_USERFAULTFD, [4]uintptr{bad}, unix.EPERM, same, same},
	{"pidfd_getfd", unix.SYS_PIDFD_GETFD, [4]uintptr{bad}, unix.EPERM, same, same},
	{"ptrace nobody", unix.SYS_PTRACE, [4]uintptr{unix.PTRACE_PEEKDATA, 1 << 30}, unix.EPERM, unix.ESRCH, same},
	{"chroot nowhere", unix.SYS_CHROOT, [4]uintptr{1}, unix.EPERM, unix.EFAULT, same},
	{"personality no randomize", unix.SYS_PERSONALITY, [4]uintptr{0x40000}, unix.EPERM, 0, same},
	{"personality read implies exec", unix.SYS_PERSONALITY, [4]uintptr{0x400000}, unix.EPERM, same, same},
	{"personality query", unix.SYS_PERSONALITY, [4]uintptr{^uintptr(0)}, 0, same, same},
	{"TIOCSTI", unix.SYS_IOCTL, [4]uintptr{bad, unix.TIOCSTI | 1<<33}, unix.EPERM, same, same},
	{"TCGETS", unix.SYS_IOCTL, [4]uintptr{bad, unix.TCGETS}, unix.EBADF, same, same},
	{"mknod device", unix.SYS_MKNODAT, [4]uintptr{bad, 1, unix.S_IFCHR | 0o600}, unix.EPERM, same, same},
	{"mknod fifo", unix.SYS_MKNODAT, [4]uintptr{bad, 1, unix.S_IFIFO}, unix.EFAULT, same, same},
	{"prlimit of another", unix.SYS_PRLIMIT64, [4]uintptr{1, unix.RLIMIT_NOFILE, 1}, unix.EPERM, same, same},
	{"prlimit of self", unix.SYS_PRLIMIT64, [4]uintptr{0, unix.RLIMIT_NOFILE, 1}, unix.EFAULT, same, same},
	{"x32 getpid", unix.SYS_GETPID | 0x40000000, [4]uintptr{}, unix.ENOSYS, same, same},
	{"beyond the table", 1000, [4]uintptr{}, unix.ENOSYS, same, same},
	{"packet socket", unix.SYS_SOCKET, [4]uintptr{unix.AF_PACKET, unix.SOCK_RAW}, unix.EAFNOSUPPORT, same, same},
	{"alg socket", unix.SYS_SOCKET, [4]uintptr{unix.AF_ALG, unix.SOCK_SEQPACKET}, unix.EAFNOSUPPORT, same, same},
	{"vsock socket", unix.SYS_SOCKET, [4]uintptr{unix.AF_VSOCK, unix.SOCK_STREAM}, unix.EAFNOSUPPORT, same, same},
	{"raw socket", unix.SYS_SOCKET, [4]uintptr{unix.AF_INET, unix.SOCK_RAW, 1}, unix.EPERM, same, same},
	{"packet by inet", unix.SYS_SOCKET, [4]uintptr{unix.AF_INET, 10, 0x300}, unix.EPERM, same, same},
	{"mptcp", unix.SYS_SOCKET, [4]uintptr{unix.AF_INET6, unix.SOCK_STREAM, 262}, unix.EPROTONOSUPPORT, same, same},
	{"netfilter", unix.SYS_SOCKET, [4]uintptr{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER}, unix.EAFNOSUPPORT, same, same},
	{"rtnetlink", unix.SYS_SOCKET, [4]uintptr{unix.AF_NETLINK, unix.SOCK_RAW | unix.SOCK_CLOEXEC}, 0, same, same},
	{"tcp", unix.SYS_SOCKET, [4]uintptr{unix.AF_INET, unix.SOCK_STREAM | unix.SOCK_NONBLOCK, unix.IPPROTO_TCP}, 0, same, same},
	{"unix", unix.SYS_SOCKET, [4]uintptr{unix.AF_UNIX, unix.SOCK_STREAM}, 0, same, unix.EAFNOSUPPORT},
	{"socketpair", unix.SYS_SOCKETPAIR, [4]uintptr{unix.AF_UNIX, unix.SOCK_STREAM, 0, 1}, unix.EFAULT, same, same},
	{"socketpair tipc", unix.SYS_SOCKETPAIR, [4]uintptr{unix.AF_TIPC, unix.SOCK_STREAM}, unix.EAFNOSUPPORT, same, same},
	{"seccomp", unix.SYS_SECCOMP, [4]uintptr{unix.SECCOMP_SET_MODE_FILTER, 0, 0}, unix.EFAULT, same, same},
}

// under runs the test binary again under p; with arguments, it becomes them.
func under(t *testing.T, p Policy, args ...string) *exec.Cmd {
	t.Helper()
	policy, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(os.Environ(), childEnv+"="+string(policy))
	return cmd
}

func TestKernelAnswers(t *testing.T) {
	other := func(pick func(probe) unix.Errno) func(probe) unix.Errno {
		return func(p probe) unix.Errno {
			if e := pick(p); e != same {
				return e
			}
			return p.want
		}
	}
	for name, c := range map[string]struct {
		policy Policy
		want   func(probe) unix.Errno
	}{
		"strict":    {Policy{}, func(p probe) unix.Errno { return p.want }},
		"container": {Policy{Container: true}, other(func(p probe) unix.Errno { return p.container })},
		"host":      {Policy{Sockets: SocketsHost}, other(func(p probe) unix.Errno { return p.host })},
		"scoped":    {Policy{Sockets: SocketsHostScoped}, func(p probe) unix.Errno { return p.want }},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := under(t, c.policy).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			got := strings.Fields(string(out))
			if len(got) != len(probes) {
				t.Fatalf("%d answers to %d calls:\n%s", len(got), len(probes), out)
			}
			for i, p := range probes {
				if want := c.want(p); got[i] != fmt.Sprint(int(want)) {
					t.Errorf("%s: errno %s, want %d (%v)", p.name, got[i], int(want), want)
				}
			}
		})
	}
}

// python is what has to go on working: threads, processes, sockets, terminal
// questions, shared memory, timers.
const python = `
import threading, subprocess, socket, selectors, multiprocessing, asyncio, mmap, os, resource, signal, tempfile, time, json, hashlib
out = []
ts = [threading.Thread(target=out.append, args=(i,)) for i in range(8)]
[t.start() for t in ts]; [t.join() for t in ts]
assert sorted(out) == list(range(8))
assert subprocess.run(["/bin/sh", "-c", "echo hi | cat; exit 3"], capture_output=True).returncode == 3
a, b = socket.socketpair(); a.send(b"x"); assert b.recv(1) == b"x"
srv = socket.create_server(("127.0.0.1", 0))
c = socket.create_connection(srv.getsockname()); srv.accept()[0].sendall(b"ok"); assert c.recv(2) == b"ok"
with multiprocessing.Pool(2) as p: assert p.map(abs, [-1, -2]) == [1, 2]
async def f():
    p = await asyncio.create_subprocess_exec("/bin/true"); return await p.wait()
assert asyncio.run(f()) == 0
m = mmap.mmap(-1, 4096); m[0] = 1
resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); resource.prlimit(os.getpid(), resource.RLIMIT_CPU)
with tempfile.TemporaryDirectory() as d:
    os.mkfifo(d + "/f"); os.symlink("f", d + "/l"); os.chmod(d, 0o755)
assert not os.isatty(0) and os.sched_getaffinity(0) and socket.if_nameindex()
signal.setitimer(signal.ITIMER_REAL, 0.01); signal.signal(signal.SIGALRM, lambda *a: None); time.sleep(0.02)
print("fine")
`

func TestProgramsRun(t *testing.T) {
	for _, c := range []struct {
		tool, want string
		args       []string
	}{
		{"python3", "fine\n", []string{"-c", python}},
		{"bash", "6\n", []string{"-c", `x=$(seq 3 | while read n; do echo $n; done | paste -sd+); (echo $((x)) &) | cat; wait`}},
		{"node", "fine\n", []string{"-e", `
			const {spawnSync, fork} = require("child_process"), {Worker} = require("worker_threads"), fs = require("fs")
			if (spawnSync("/bin/true").status !== 0) throw "spawn"
			new Worker("require('worker_threads').parentPort.postMessage(1)", {eval: true})
				.on("message", () => fs.promises.readFile("/proc/self/stat").then(() => console.log("fine")))`}},
	} {
		t.Run(c.tool, func(t *testing.T) {
			path, err := exec.LookPath(c.tool)
			if err != nil {
				t.Skip(err)
			}
			for _, p := range []Policy{{}, {Container: true}, {Sockets: SocketsHost, FixedCPUs: true}} {
				cmd := under(t, p, append([]string{path}, c.args...)...)
				cmd.Env = append(cmd.Env, "HOME="+t.TempDir())
				if out, err := cmd.CombinedOutput(); err != nil || string(out) != c.want {
					t.Errorf("%+v: %v\n%s", p, err, out)
				}
			}
		})
	}
}

// int 0x80 is another architecture: SIGSYS, not an answer.
func TestInt80Kills(t *testing.T) {
	fd, err := unix.MemfdCreate("int80", unix.MFD_CLOEXEC)
	if err != nil {
		t.Skip(err)
	}
	f := os.NewFile(uintptr(fd), "int80")
	defer f.Close()
	// mov eax, 20 (getpid of i386); int 0x80; mov eax, 60; xor edi, edi; syscall
	code := []byte{0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05}
	if _, err := f.Write(elf(code)); err != nil {
		t.Fatal(err)
	}
	path := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd)
	if err := exec.Command(path).Run(); err != nil {
		t.Skipf("without a filter: %v", err)
	}
	err = under(t, Policy{}, path).Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != unix.SIGSYS {
		t.Errorf("got %v, want SIGSYS", err)
	}
}

// elf is the smallest program for amd64 that runs code.
func elf(code []byte) []byte {
	const base, header = 0x400000, 64 + 56
	le := binary.LittleEndian
	b := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 9)...)
	b = le.AppendUint16(le.AppendUint16(b, 2), 62)
	b = le.AppendUint64(le.AppendUint64(le.AppendUint32(b, 1), base+header), 64)
	b = le.AppendUint32(le.AppendUint64(b, 0), 0)
	for _, half := range []uint16{64, 56, 1, 0, 0, 0} {
		b = le.AppendUint16(b, half)
	}
	b = le.AppendUint32(le.AppendUint32(b, 1), 5)
	size := uint64(header + len(code))
	for _, word := range []uint64{0, base, base, size, size, 0x1000} {
		b = le.AppendUint64(b, word)
	}
	return append(b, code...)
}
