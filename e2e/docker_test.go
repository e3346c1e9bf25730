//go:build linux

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// daemon is a Docker daemon of our own, on a private socket and directory,
// beside whatever else runs here.
type daemon struct{ client, socket string }

// startDocker starts the daemon, whose containers have no network; it and all
// it made are gone after the test.
func startDocker(t *testing.T) *daemon {
	t.Helper()
	return startDaemon(t, "none")
}

// startDockerWithBridge starts the daemon with a network of its own for its
// containers, which leads nowhere.
func startDockerWithBridge(t *testing.T) *daemon {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: dockerd needs it")
	}
	ip := program(t, "ip", "iproute2")
	name := fmt.Sprintf("cupel%d", os.Getpid())
	remove := func() { _ = exec.Command(ip, "link", "delete", name).Run() }
	remove()
	for _, args := range [][]string{
		{"link", "add", "name", name, "type", "bridge"},
		{"address", "add", "10.213.7.1/24", "dev", name},
		{"link", "set", name, "up"},
	} {
		if out, err := exec.Command(ip, args...).CombinedOutput(); err != nil {
			remove()
			t.Skipf("no network bridge can be made here: %v: %s", err, out)
		}
	}
	t.Cleanup(remove)
	return startDaemon(t, name)
}

func startDaemon(t *testing.T, bridge string) *daemon {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: dockerd needs it")
	}
	server := program(t, "dockerd", "docker.io")
	dir, err := os.MkdirTemp("", "cupel-e2e-docker-")
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{client: program(t, "docker", "docker.io"), socket: "unix://" + filepath.Join(dir, "docker.sock")}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(server, "--host="+d.socket, "--data-root="+filepath.Join(dir, "data"), "--exec-root="+filepath.Join(dir, "exec"),
		"--pidfile="+filepath.Join(dir, "pid"), "--bridge="+bridge, "--iptables=false", "--ip6tables=false", "--ip-forward=false")
	cmd.Stdout, cmd.Stderr = log, log
	// A runtime of another version may come first in PATH: Debian's fit.
	cmd.Env = append(os.Environ(), "PATH=/usr/sbin:/usr/bin:/sbin:/bin")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		unmountBelow(t, dir)
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	for range 150 {
		if d.try("version") == nil {
			return d
		}
		time.Sleep(200 * time.Millisecond)
	}
	text, _ := os.ReadFile(log.Name())
	t.Fatalf("dockerd does not answer\n%s", clip(string(text)))
	return nil
}

// unmountBelow takes down what a daemon that ended left mounted.
func unmountBelow(t *testing.T, dir string) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], dir) {
			_ = syscall.Unmount(fields[4], syscall.MNT_DETACH)
		}
	}
}

func (d *daemon) try(args ...string) error {
	return exec.Command(d.client, append([]string{"-H", d.socket}, args...)...).Run()
}

func (d *daemon) do(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command(d.client, append([]string{"-H", d.socket}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// pod is a container as an orchestrator would make it for cupel: Docker's
// default capabilities, a masked /proc, and no seccomp filter.
type pod struct {
	daemon *daemon
	image  string
	user   string
	// dirs are shown read-only under the same path.
	dirs []string
	env  []string
}

func (p *pod) command(ctx context.Context, _ *testing.T, program string, args ...string) *exec.Cmd {
	all := []string{
		"-H", p.daemon.socket, "run", "--rm", "--init=false", "--network=none", "--user=" + p.user,
		"--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined",
		"--env=HOME=/tmp", "--env=CUPEL_CACHE=/tmp/cache", "--env=CUPEL_HOME=/tmp/data",
	}
	for _, dir := range p.dirs {
		all = append(all, "--volume="+dir+":"+dir+":ro")
	}
	for _, e := range p.env {
		all = append(all, "--env="+e)
	}
	all = append(all, p.image, program)
	return exec.CommandContext(ctx, p.daemon.client, append(all, args...)...)
}
