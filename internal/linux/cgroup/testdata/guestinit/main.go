// Command guestinit is the init of a small virtual machine that has version 2
// cgroups alone: it runs every program in /tests, in each situation that
// matters to package cgroup, prints what came out and powers the machine off.
//
// The initramfs holds this program as /init and static test binaries in
// /tests. Lines that begin with "GUEST" are for the one who started it:
//
//	GUEST kernel 6.1.0-…
//	GUEST SITUATION PROGRAM exit CODE [what went wrong besides]
//	GUEST done
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const cgroups, uid = "/sys/fs/cgroup", 1000

func main() {
	if len(os.Args) > 2 {
		inside(os.Args[1], os.Args[2:])
		return
	}
	if err := prepare(); err != nil {
		fmt.Println("GUEST prepare:", err)
	}
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	fmt.Print("\nGUEST kernel ", string(release))
	programs, _ := filepath.Glob("/tests/*")
	for _, s := range situations {
		for _, program := range programs {
			code, err := s.run(program)
			fmt.Println("GUEST", s.name, filepath.Base(program), "exit", code, text(err))
		}
	}
	fmt.Println("GUEST done")
	syscall.Sync()
	_ = syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
}

// prepare mounts what programs need and hands the controllers down.
func prepare() error {
	mounts := []struct{ source, target, kind string }{
		{"proc", "/proc", "proc"},
		{"sys", "/sys", "sysfs"},
		{"cgroup2", cgroups, "cgroup2"},
		{"dev", "/dev", "devtmpfs"},
		{"tmp", "/tmp", "tmpfs"},
	}
	var errs []error
	for _, m := range mounts {
		_ = os.MkdirAll(m.target, 0o755)
		errs = append(errs, syscall.Mount(m.source, m.target, m.kind, 0, ""))
	}
	errs = append(errs, os.Chmod("/tmp", 0o1777))
	return errors.Join(append(errs, put("cgroup.subtree_control", "+memory +pids +cpu"))...)
}

// run runs the program in the situation and returns its exit status.
func (s situation) run(program string) (int, error) {
	if s.cgroup != "" {
		if err := s.makeCgroup(); err != nil {
			return -1, err
		}
		defer s.removeCgroup()
	}
	if s.crowded {
		neighbour := s.command("/init", "sleep", "-")
		if err := neighbour.Start(); err != nil {
			return -1, err
		}
		defer func() { _ = neighbour.Process.Kill(); _ = neighbour.Wait() }()
	}
	args := []string{program, "-test.v", "-test.timeout=120s"}
	if s.inside != "" {
		args = append([]string{"/init", s.inside}, args...)
	}
	cmd := s.command(args...)
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return -1, err
	}
	return cmd.ProcessState.ExitCode(), errors.Join(left(), s.untouched())
}

// untouched reports what the programs changed in a cgroup of others.
func (s situation) untouched() error {
	if !s.crowded {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(cgroups, s.cgroup, "cgroup.subtree_control"))
	if on := strings.TrimSpace(string(text)); err == nil && on != "" {
		err = errors.New("switched on beside others: " + on)
	}
	return err
}

// command is the command as the situation's user in its cgroup.
func (s situation) command(args ...string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = "/tmp"
	cmd.Env = []string{"TMPDIR=/tmp", "HOME=/tmp", "CUPEL_CGROUP_EXPECT=" + s.expect}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if s.uid != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(s.uid), Gid: uint32(s.uid)}
	}
	if s.cgroup != "" {
		if fd, err := syscall.Open(filepath.Join(cgroups, s.cgroup), syscall.O_RDONLY|syscall.O_CLOEXEC, 0); err == nil {
			cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, fd
		}
	}
	return cmd
}

// makeCgroup makes the situation's cgroup, as a manager delegates one.
func (s situation) makeCgroup() error {
	dir := filepath.Join(cgroups, s.cgroup)
	if s.parentGives != "" {
		if err := os.Mkdir(filepath.Dir(dir), 0o755); err != nil {
			return err
		}
		if err := put(filepath.Join(filepath.Dir(s.cgroup), "cgroup.subtree_control"), s.parentGives); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil || !s.owned {
		return err
	}
	for _, name := range []string{"", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"} {
		if err := os.Chown(filepath.Join(dir, name), s.uid, s.uid); err != nil {
			return err
		}
	}
	return nil
}

func (s situation) removeCgroup() {
	_ = os.Remove(filepath.Join(cgroups, s.cgroup))
	_ = os.Remove(filepath.Join(cgroups, filepath.Dir(s.cgroup)))
}

// inside is this program again, in the situation's cgroup: it sleeps, or runs
// the program as in a container.
func inside(how string, args []string) {
	if how == "sleep" {
		for {
			time.Sleep(time.Hour)
		}
	}
	runtime.LockOSThread() // namespaces are a thread's
	flags := uintptr(0)
	if how == "read-only" {
		flags = syscall.MS_RDONLY
	}
	err := errors.Join(
		syscall.Unshare(syscall.CLONE_NEWNS|cloneNewCgroup),
		syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""),
		syscall.Unmount(cgroups, syscall.MNT_DETACH),
		syscall.Mount("cgroup2", cgroups, "cgroup2", 0, ""),
		syscall.Mount("", cgroups, "", flags|syscall.MS_REMOUNT|syscall.MS_BIND, ""),
	)
	if err == nil {
		err = syscall.Exec(args[0], args, os.Environ())
	}
	fmt.Println("GUEST container:", err)
	os.Exit(1)
}

const cloneNewCgroup = 0x02000000

// left reports cgroups that the programs have left behind.
func left() error {
	var found []string
	err := filepath.WalkDir(cgroups, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasPrefix(d.Name(), "cupel") {
			found = append(found, strconv.Quote(path))
		}
		return nil
	})
	if len(found) > 0 {
		return errors.New("left: " + strings.Join(found, " "))
	}
	return err
}

func put(name, value string) error {
	return os.WriteFile(filepath.Join(cgroups, name), []byte(value), 0)
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
