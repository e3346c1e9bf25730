package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// tools lists the other tools that are here, and notes those that are not.
// They isolate as cupel does as far as they can; neither filters system calls
// nor bounds anything here.
func (b *bench) tools() (list []way, done func()) {
	done = func() {}
	if path, err := exec.LookPath("bwrap"); err != nil {
		b.note("bwrap is not installed: apt install bubblewrap")
	} else {
		args := append([]string{path}, b.bwrapArgs()...)
		list = append(list, b.command("bwrap", func(p Program) []string { return append(slices.Clone(args), p.Args...) }))
	}
	path, err := exec.LookPath("crun")
	switch {
	case err != nil:
		b.note("crun is not installed: apt install crun")
	case os.Geteuid() != 0:
		b.note("crun is compared only as root")
	default:
		crun, stop, err := b.crun(path)
		if err != nil {
			b.note("crun is left out: %v", err)
			break
		}
		list, done = append(list, crun), stop
	}
	return list, done
}

// hostDirs are the directories that a program needs, and the links at the top
// of the root that lead into them.
func (b *bench) hostDirs() (dirs []string, links map[string]string) {
	links = map[string]string{}
	dirs = []string{"/usr"}
	for _, top := range []string{"/bin", "/lib", "/lib64", "/sbin"} {
		info, err := os.Lstat(top)
		switch {
		case err != nil:
		case info.Mode()&os.ModeSymlink != 0:
			links[top], _ = os.Readlink(top)
		default:
			dirs = append(dirs, top)
		}
	}
	if b.prefix != "" && !strings.HasPrefix(b.prefix, "/usr/") && b.prefix != "/usr" {
		dirs = append(dirs, b.prefix)
	}
	return dirs, links
}

func (b *bench) bwrapArgs() []string {
	args := []string{"--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"}
	dirs, links := b.hostDirs()
	for _, dir := range dirs {
		args = append(args, "--ro-bind", dir, dir)
	}
	for name, to := range links {
		args = append(args, "--symlink", to, name)
	}
	return append(args, "--tmpfs", "/tmp", "--tmpfs", "/work", "--chdir", "/work", "--proc", "/proc", "--dev", "/dev", "--")
}

// crun runs each program from a bundle of its own. Its cgroups are off: some
// versions refuse hybrid ones, and look for them by a mount that is therefore
// hidden in a mount namespace of the one thread that starts crun.
func (b *bench) crun(path string) (*command, func(), error) {
	state := filepath.Join(b.dir, "crun")
	args := []string{path, "--root", state, "--cgroup-manager=disabled", "run", "--bundle"}
	n := 0
	start, stop, err := threadWithoutUnified()
	if err != nil {
		return nil, nil, err
	}
	c := b.command("crun", func(p Program) []string {
		n++
		bundle := filepath.Join(b.dir, "bundle-"+p.Name)
		return append(slices.Clone(args), bundle, fmt.Sprintf("cupel-bench-%d-%d", os.Getpid(), n))
	})
	c.spawn = start
	for _, p := range []Program{trueProgram(), checkProgram(b.python)} {
		if err := b.writeBundle(filepath.Join(b.dir, "bundle-"+p.Name), p); err != nil {
			stop()
			return nil, nil, err
		}
	}
	return c, stop, nil
}

// object is a JSON object of the runtime specification.
type object = map[string]any

func (b *bench) writeBundle(dir string, p Program) error {
	root := filepath.Join(dir, "rootfs")
	mounts := []object{
		{"destination": "/proc", "type": "proc", "source": "proc"},
		{"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": []string{"nosuid", "mode=755"}},
		{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": []string{"nosuid", "nodev"}},
		{"destination": "/work", "type": "tmpfs", "source": "tmpfs", "options": []string{"nosuid", "nodev"}},
	}
	dirs, links := b.hostDirs()
	for _, d := range dirs {
		mounts = append(mounts, object{"destination": d, "type": "bind", "source": d, "options": []string{"rbind", "ro", "nosuid", "nodev"}})
	}
	for _, d := range append(slices.Clone(dirs), "/proc", "/dev", "/tmp", "/work") {
		if err := os.MkdirAll(root+d, 0o755); err != nil {
			return err
		}
	}
	for name, to := range links {
		if err := os.Symlink(to, root+name); err != nil {
			return err
		}
	}
	var spaces []object
	for _, kind := range []string{"pid", "mount", "network", "ipc", "uts", "cgroup"} {
		spaces = append(spaces, object{"type": kind})
	}
	config, err := json.Marshal(object{
		"ociVersion": "1.0.0",
		"process": object{
			"user": object{"uid": 0, "gid": 0}, "args": p.Args, "env": environment, "cwd": "/work", "noNewPrivileges": true,
		},
		"root":   object{"path": "rootfs", "readonly": true},
		"mounts": mounts,
		"linux":  object{"namespaces": spaces},
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600)
}

// forkExec is a syscall.ForkExec that a thread is asked for.
type forkExec struct {
	argv0 string
	argv  []string
	attr  *syscall.ProcAttr
	done  chan<- forked
}

type forked struct {
	pid int
	err error
}

// threadWithoutUnified starts a thread in a mount namespace of its own, where
// the version 2 hierarchy of a hybrid set-up is not mounted, and returns a
// ForkExec that works on it.
func threadWithoutUnified() (start func(string, []string, *syscall.ProcAttr) (int, error), stop func(), err error) {
	work, ready := make(chan forkExec), make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		ready <- hideUnified()
		for w := range work {
			pid, err := syscall.ForkExec(w.argv0, w.argv, w.attr)
			w.done <- forked{pid, err}
		}
	}()
	if err := <-ready; err != nil {
		close(work)
		return nil, nil, err
	}
	start = func(argv0 string, argv []string, attr *syscall.ProcAttr) (int, error) {
		done := make(chan forked)
		work <- forkExec{argv0, argv, attr, done}
		f := <-done
		return f.pid, f.err
	}
	return start, func() { close(work) }, nil
}

func hideUnified() error {
	if err := syscall.Unshare(syscall.CLONE_FS | syscall.CLONE_NEWNS); err != nil {
		return fmt.Errorf("take a mount namespace: %w", err)
	}
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	const unified = "/sys/fs/cgroup/unified"
	if _, err := os.Stat(unified); err != nil {
		return nil
	}
	if err := syscall.Unmount(unified, syscall.MNT_DETACH); err != nil && err != syscall.EINVAL {
		return fmt.Errorf("hide %s: %w", unified, err)
	}
	return nil
}
