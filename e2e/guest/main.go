//go:build linux

// Command guest is the init of a small virtual machine whose root file system
// is its initramfs. It runs the jobs in /jobs.json, one after another, and
// writes what became of each as a line of JSON to the second serial port; then
// it powers the machine off. The console, the first port, is for people.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// job is a program and where it runs.
type job struct {
	Name string
	// UID runs it; 0 is root.
	UID int
	// Cgroup is made below the top and given to UID; "" is the top itself.
	Cgroup string
	Args   []string
	Env    []string
	// Seconds bound it.
	Seconds int
}

// done is what became of a job.
type done struct {
	Name, Stdout, Stderr, Error string
	Status                      int
	// Left are cgroups and processes that were not there before.
	Left []string
}

const cgroups = "/sys/fs/cgroup"

func main() {
	if err := serve(); err != nil {
		fmt.Println("guest:", err)
	}
	syscall.Sync()
	_ = syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
}

func serve() error {
	if err := prepare(); err != nil {
		return err
	}
	text, err := os.ReadFile("/jobs.json")
	if err != nil {
		return err
	}
	var jobs []job
	if err := json.Unmarshal(text, &jobs); err != nil {
		return err
	}
	port, err := os.OpenFile("/dev/ttyS1", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	out := json.NewEncoder(port)
	for _, j := range jobs {
		fmt.Println("guest:", j.Name)
		if err := out.Encode(j.do()); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes the initramfs a root that pivot_root can leave, and mounts
// what a system has.
func prepare() error {
	err := errors.Join(
		syscall.Mount("/", "/mnt", "", syscall.MS_BIND, ""),
		os.Chdir("/mnt"),
		syscall.Mount(".", "/", "", syscall.MS_MOVE, ""),
		syscall.Chroot("."),
		os.Chdir("/"),
	)
	for _, m := range []struct{ source, target, kind string }{
		{"proc", "/proc", "proc"}, {"sys", "/sys", "sysfs"}, {"cgroup2", cgroups, "cgroup2"},
		{"dev", "/dev", "devtmpfs"}, {"tmp", "/tmp", "tmpfs"},
	} {
		if e := syscall.Mount(m.source, m.target, m.kind, 0, ""); e != nil {
			err = errors.Join(err, fmt.Errorf("mount %s: %w", m.target, e))
		}
	}
	return errors.Join(err, os.Chmod("/tmp", 0o1777), loadModules(), loopbackUp(),
		os.WriteFile(filepath.Join(cgroups, "cgroup.subtree_control"), []byte("+memory +pids +cpu"), 0),
		os.Setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"))
}

// loadModules loads what Debian's kernel has as modules, since there is no
// modprobe here.
func loadModules() error {
	files, err := filepath.Glob("/modules/*.ko")
	for _, file := range files {
		image, readErr := os.ReadFile(file)
		if readErr != nil {
			return readErr
		}
		parameters := []byte{0}
		_, _, errno := syscall.Syscall(syscall.SYS_INIT_MODULE, uintptr(unsafe.Pointer(&image[0])), uintptr(len(image)), uintptr(unsafe.Pointer(&parameters[0])))
		if errno != 0 {
			return fmt.Errorf("load %s: %w", file, errno)
		}
	}
	return err
}

// loopbackUp starts the network interface that every system has.
func loopbackUp() error {
	s, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(s)
	request := struct {
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{flags: syscall.IFF_UP}
	copy(request.name[:], "lo")
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(s), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return fmt.Errorf("start the loopback: %w", errno)
	}
	return nil
}

// do runs the job in a directory of its own.
func (j job) do() done {
	home := "/tmp/" + strings.NewReplacer("/", "-", " ", "-").Replace(j.Name)
	d := done{Name: j.Name, Status: -1}
	if err := errors.Join(os.Mkdir(home, 0o755), os.Chown(home, j.UID, j.UID)); err != nil {
		d.Error = err.Error()
		return d
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(j.Seconds)*time.Second)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, j.Args[0], j.Args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = home, &stdout, &stderr, 5*time.Second
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "HOME=" + home, "TMPDIR=" + home,
		"CUPEL_CACHE=" + home + "/cache", "CUPEL_HOME=" + home + "/data"}, j.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if j.UID != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(j.UID), Gid: uint32(j.UID)}
	}
	if j.Cgroup != "" {
		dir, err := j.delegate()
		if err != nil {
			d.Error = err.Error()
			return d
		}
		defer dir.Close()
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(dir.Fd())
	}
	before := around()
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		d.Error = err.Error()
		return d
	}
	d.Status, d.Stdout, d.Stderr = cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
	d.Left = since(before)
	return d
}

// delegate makes the job's cgroup as a service manager hands one to a user.
func (j job) delegate() (*os.File, error) {
	dir := filepath.Join(cgroups, j.Cgroup)
	err := os.MkdirAll(dir, 0o755)
	for _, name := range []string{"", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"} {
		err = errors.Join(err, os.Chown(filepath.Join(dir, name), j.UID, j.UID))
	}
	if err != nil {
		return nil, err
	}
	return os.Open(dir)
}

// around lists cgroups that cupel made and all processes with a program.
func around() map[string]bool {
	all := map[string]bool{}
	_ = filepath.WalkDir(cgroups, func(path string, d os.DirEntry, err error) error {
		if match, _ := filepath.Match("cupel.*", filepath.Base(path)); err == nil && d.IsDir() && match {
			all[path] = true
		}
		return nil
	})
	exes, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, exe := range exes {
		if target, err := os.Readlink(exe); err == nil {
			all[exe+" "+target] = true
		}
	}
	return all
}

// since lists what is there now and was not before; what is just ending gets a
// moment.
func since(before map[string]bool) (left []string) {
	for range 20 {
		left = nil
		for name := range around() {
			if !before[name] {
				left = append(left, name)
			}
		}
		if len(left) == 0 {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return left
}
