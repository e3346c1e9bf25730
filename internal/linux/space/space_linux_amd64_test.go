package space

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"cupel.dev/cupel/internal/linux/initproc"
)

// hostConfig is a Space over this machine's /usr.
func hostConfig(t testing.TB) Config {
	t.Helper()
	skeleton := filepath.Join(t.TempDir(), "skeleton")
	for _, d := range []string{"usr", "proc", "tmp", "work", "dev/shm", "etc"} {
		if err := os.MkdirAll(filepath.Join(skeleton, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{"bin", "lib", "lib64", "sbin"} {
		if err := os.Symlink("usr/"+d, filepath.Join(skeleton, d)); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"null", "zero", "urandom"} {
		if err := os.WriteFile(filepath.Join(skeleton, "dev", f), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ids := IDs{UIDBase: os.Getuid(), GIDBase: os.Getgid(), Count: 1}
	if os.Getuid() == 0 {
		ids = IDs{UIDBase: 1879048192, GIDBase: 1879048192, Count: 65536}
	}
	return Config{
		IDs:   ids,
		Stage: t.TempDir(),
		Trees: []Tree{
			{Layers: []string{skeleton}, Target: "/", Overlay: true},
			{Layers: []string{"/usr"}, Target: "/usr", Overlay: true},
		},
		Devices: []string{"/dev/null", "/dev/zero", "/dev/urandom"},
		Private: []Private{{Name: "tmp", Target: "/tmp", Mode: 0o1777}, {Name: "work", Target: "/work", Mode: 0o755},
			{Name: "shm", Target: "/dev/shm", Mode: 0o1777}},
		DiskBytes: 16 << 20, Inodes: 100,
	}
}

func run(t testing.TB, st *Starter, s *Space, script string) (string, Exit) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	fd := int(w.Fd())
	p, err := st.Start(s, Program{
		Paths: []string{"/nowhere/sh", "/bin/sh"}, Args: []string{"sh", "-c", script},
		Env: []string{"PATH=/usr/bin:/bin"}, Dir: "/work", FDs: [3]int{int(null.Fd()), fd, fd},
	})
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if p.ExecErrno != 0 {
		t.Fatal(p.ExecErrno)
	}
	exit, err := p.Wait()
	if err != nil {
		t.Fatal(err)
	}
	p.End()
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(out), exit
}

func TestRunsAProgramInNewNamespaces(t *testing.T) {
	st, err := NewStarter()
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	s, err := Create(hostConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for script, want := range map[string]string{
		"id -u":                            "0\n",
		"hostname":                         "cupel\n",
		"ls /proc/self/fd":                 "0\n1\n2\n3\n", // 3 is the directory that ls reads
		"tr '\\0' '\\n' < /proc/1/cmdline": initproc.Name + "\n",
		"touch /usr/x 2>&1":                "touch: cannot touch '/usr/x': Read-only file system\n",
		"touch /tmp/x /work/x /dev/shm/x && ls /tmp":                                                 "x\n",
		"grep -cE 'Cap(Inh|Prm|Eff|Bnd|Amb):\t0{16}$|NoNewPrivs:\t1|SigBlk:\t0+$' /proc/self/status": "7\n",
		"tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '":                                         "lo\n",
	} {
		if out, exit := run(t, st, s, script); out != want || exit.Signal != 0 {
			t.Errorf("%s: %q, %+v, want %q", script, out, exit, want)
		}
	}
	if _, exit := run(t, st, s, "exit 3"); exit.Code != 3 {
		t.Errorf("exit 3 gave %+v", exit)
	}
	if _, exit := run(t, st, s, "kill -TERM $$"); exit.Signal != syscall.SIGTERM {
		t.Errorf("a signal gave %+v", exit)
	}
}

func TestAFailedStepIsNamed(t *testing.T) {
	cfg := hostConfig(t)
	cfg.Trees[1].Target = "/nowhere"
	_, err := Create(cfg)
	var step *StepError
	if !errors.As(err, &step) || step.Step != "mount overlay on /nowhere" || step.Errno != syscall.ENOENT {
		t.Errorf("%v", err)
	}
}

func BenchmarkColdTrue(b *testing.B) {
	st, err := NewStarter()
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	cfg := hostConfig(b)
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	fd := int(null.Fd())
	for b.Loop() {
		s, err := Create(cfg)
		if err != nil {
			b.Fatal(err)
		}
		p, err := st.Start(s, Program{Paths: []string{"/bin/true"}, Args: []string{"true"}, Dir: "/work", FDs: [3]int{fd, fd, fd}})
		if err != nil {
			b.Fatal(err)
		}
		_, _ = p.Wait()
		p.End()
		s.Close()
	}
}

func BenchmarkCreate(b *testing.B) {
	cfg := hostConfig(b)
	for b.Loop() {
		s, err := Create(cfg)
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}

func BenchmarkPlainTrue(b *testing.B) {
	for b.Loop() {
		p, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{})
		if err != nil {
			b.Fatal(err)
		}
		_, _ = p.Wait()
	}
}
