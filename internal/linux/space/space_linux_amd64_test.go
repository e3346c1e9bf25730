package space

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	out, exit := run(t, st, s, `id; ls -la /proc/self/fd /dev; cat /proc/self/status | grep -E 'Cap|NoNew|Sig'; ls /proc; cat /proc/self/mounts; cat /proc/net/dev; touch /tmp/x; touch /usr/x; hostname; cat /proc/1/cmdline; ls -l /proc/1/exe; exit 3`)
	t.Log(out)
	if exit.Code != 3 || !strings.Contains(out, "uid=0") {
		t.Fatalf("exit %+v", exit)
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
