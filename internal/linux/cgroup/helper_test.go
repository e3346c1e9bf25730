//go:build linux

package cgroup

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test binary runs itself as the program in a leaf: childEnv says what it
// does. Descriptors from 3 on are the files to attach through.
const childEnv, rootEnv = "CUPEL_CGROUP_CHILD", "CUPEL_CGROUP_ROOT"

func TestMain(m *testing.M) {
	if what := os.Getenv(childEnv); what != "" {
		child(what)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child is the program: "hog BYTES", "fork N", "spin DURATION", "sleep" (until
// killed, after printing "ready"), "bomb" (four
// processes that start others as fast as they can), "open" (a Manager with a busy leaf, until
// killed), "describe" (a Manager's outcome), "nothing".
func child(what string) {
	runtime.LockOSThread()
	attach()
	verb, arg, _ := strings.Cut(what, " ")
	switch verb {
	case "hog":
		n, _ := strconv.Atoi(arg)
		hog(n)
	case "fork":
		n, _ := strconv.Atoi(arg)
		forkMany(n)
	case "spin":
		d, _ := time.ParseDuration(arg)
		for end := time.Now().Add(d); time.Now().Before(end); {
		}
	case "sleep":
		fmt.Println("ready")
		time.Sleep(time.Minute)
	case "bomb":
		fmt.Println("ready")
		bomb(4, "storm")
	case "storm":
		bomb(100, "sleep")
	case "open":
		holdLeaf()
	case "describe":
		m, err := Open(Config{Name: "cupeltest", Root: os.Getenv(rootEnv)})
		fmt.Printf("%v|%v|%v|%s\n", err, m.Mode(), m.Controllers(), m.Reason())
		if err := m.Close(); err != nil {
			fmt.Println(err)
		}
	}
}

// attach joins the leaf whose files are open here, then executes this program
// once more: in version 1 a single thread moves, and only execution makes it
// the whole process.
func attach() {
	fd := 3
	for ; ; fd++ {
		name, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		if err != nil || !strings.HasSuffix(name, "/cgroup.procs") && !strings.HasSuffix(name, "/tasks") {
			break
		}
		if _, err := unix.Write(fd, []byte("0")); err != nil {
			fmt.Println("attach:", err)
			os.Exit(99)
		}
		unix.CloseOnExec(fd)
	}
	if fd == 3 {
		return
	}
	fmt.Println("attach:", unix.Exec("/proc/self/exe", os.Args, os.Environ()))
	os.Exit(98)
}

// hog touches n bytes, a megabyte at a time.
func hog(n int) {
	for done := 0; done < n; done += 1 << 20 {
		mem, err := unix.Mmap(-1, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		if err != nil {
			fmt.Println("mmap:", err)
			os.Exit(98)
		}
		for i := 0; i < len(mem); i += 4096 {
			mem[i] = 1
		}
	}
}

// forkMany starts n processes that stay, and prints how many it got.
func forkMany(n int) {
	var started []*exec.Cmd
	for range n {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = []string{childEnv + "=sleep", "GOMAXPROCS=1"}
		if err := cmd.Start(); err != nil {
			break
		}
		started = append(started, cmd)
	}
	fmt.Println(len(started))
	for _, cmd := range started {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

// bomb keeps n processes of verb starting as fast as it can, and makes no more
// than that in all: a test of limits may not rely on them.
func bomb(n int, verb string) {
	for end := time.Now().Add(20 * time.Second); n > 0 && time.Now().Before(end); {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = []string{childEnv + "=" + verb, "GOMAXPROCS=1"}
		if cmd.Start() == nil {
			n--
		}
	}
	time.Sleep(20 * time.Second)
}

// holdLeaf opens a Manager and leaves a process in a leaf of it.
func holdLeaf() {
	m, err := Open(Config{Name: "cupeltest"})
	if err != nil {
		fmt.Println(err)
		return
	}
	l, err := m.Acquire(Limits{Memory: 64 << 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	cmd := inLeaf(l, "sleep")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		fmt.Println(err)
		return
	}
	for {
		if s, err := l.Stat(); err != nil || s.Processes > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Println("ready", cmd.Process.Pid, strings.Join(leafPaths(l), " "))
	time.Sleep(time.Minute)
}

// inLeaf is the command of a child that does what, in the leaf.
func inLeaf(l *Leaf, what string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childEnv+"="+what)
	for _, fd := range l.AttachFDs() {
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			panic(err)
		}
		cmd.ExtraFiles = append(cmd.ExtraFiles, os.NewFile(uintptr(dup), "cgroup.procs"))
	}
	return cmd
}

// run runs a child in the leaf to its end.
func run(tb testing.TB, l *Leaf, what string) (output string, state *os.ProcessState) {
	tb.Helper()
	cmd := inLeaf(l, what)
	out, err := cmd.Output()
	for _, f := range cmd.ExtraFiles {
		f.Close()
	}
	if cmd.ProcessState == nil {
		tb.Fatalf("run %s: %v", what, err)
	}
	if code := cmd.ProcessState.ExitCode(); code == 99 || code == 98 {
		tb.Fatalf("run %s: %s", what, out)
	}
	return strings.TrimSpace(string(out)), cmd.ProcessState
}

// start starts a child in the leaf that stays, and waits for it to be ready.
func start(tb testing.TB, l *Leaf, what string) *exec.Cmd {
	tb.Helper()
	cmd := inLeaf(l, what)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for _, f := range cmd.ExtraFiles {
		f.Close()
	}
	if _, err := io.ReadFull(out, make([]byte, len("ready"))); err != nil {
		tb.Fatal(err)
	}
	return cmd
}

// manager opens a Manager, or skips where this place has no such controllers.
func manager(tb testing.TB, controllers ...string) *Manager {
	tb.Helper()
	m, err := Open(Config{Name: "cupeltest"})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := m.Close(); err != nil {
			tb.Error(err)
		}
		for _, b := range m.bases {
			if exists(b.dir) {
				tb.Errorf("%s is left", b.dir)
			}
		}
	})
	for _, c := range controllers {
		if !strings.Contains(strings.Join(m.Controllers(), " "), c) {
			tb.Skipf("no %s here: %s", c, m.Reason())
		}
	}
	if m.Mode() == None {
		tb.Skip("no cgroups here: " + m.Reason())
	}
	return m
}

func acquire(tb testing.TB, m *Manager, limits Limits) *Leaf {
	tb.Helper()
	l, err := m.Acquire(limits)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

func stat(tb testing.TB, l *Leaf) Stat {
	tb.Helper()
	s, err := l.Stat()
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func leafPaths(l *Leaf) []string {
	var paths []string
	for _, d := range l.dirs {
		paths = append(paths, d.path)
	}
	return paths
}
