//go:build linux

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// kernel is Debian's kernel for virtual machines and the modules that it needs
// here, unpacked and kept.
type kernel struct{ image, overlay string }

func debianKernel(t *testing.T) kernel {
	t.Helper()
	dir := filepath.Join(cacheDir(t), "kernel")
	find := func() (k kernel, ok bool) {
		images, _ := filepath.Glob(filepath.Join(dir, "boot", "vmlinuz-*"))
		modules, _ := filepath.Glob(filepath.Join(dir, "lib", "modules", "*", "kernel", "fs", "overlayfs", "overlay.ko"))
		if len(images) == 0 || len(modules) == 0 {
			return k, false
		}
		return kernel{images[0], modules[0]}, true
	}
	if k, ok := find(); ok {
		return k
	}
	download := t.TempDir()
	apt := program(t, "apt-get", "apt")
	depends, err := exec.Command("apt-cache", "depends", "linux-image-cloud-amd64").Output()
	if err != nil {
		t.Skipf("no Debian kernel to be had here: %v", err)
	}
	name := ""
	for field := range strings.FieldsSeq(string(depends)) {
		if strings.HasPrefix(field, "linux-image-") && field != "linux-image-cloud-amd64" {
			name = field
			break
		}
	}
	cmd := exec.Command(apt, "download", "-q", name)
	cmd.Dir = download
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("download %s: %v\n%s", name, err, out)
	}
	files, err := filepath.Glob(filepath.Join(download, "*.deb"))
	if err != nil || len(files) != 1 {
		t.Fatalf("downloaded %v, %v", files, err)
	}
	if out, err := exec.Command("dpkg-deb", "-x", files[0], dir).CombinedOutput(); err != nil {
		t.Fatalf("unpack: %v\n%s", err, out)
	}
	k, ok := find()
	if !ok {
		t.Fatalf("%s holds no kernel with overlayfs", files[0])
	}
	return k
}

// job and done are what e2e/guest reads and writes.
type job struct {
	Name    string
	UID     int
	Cgroup  string
	Args    []string
	Env     []string
	Seconds int
}

type done struct {
	Name, Stdout, Stderr, Error string
	Status                      int
	Left                        []string
}

// boot runs an initramfs in a virtual machine without KVM, disk or network,
// and returns what it wrote to the console and to the second port. An emulator
// that stands still (its guest's clock too, so that no limit inside ends it) is
// no verdict about cupel: it is ended and the machine booted again, twice at
// most.
func boot(t *testing.T, limit time.Duration, fill func(*cpio)) (console, results string) {
	t.Helper()
	qemu := program(t, "qemu-system-x86_64", "qemu-system-x86")
	k := debianKernel(t)
	dir := t.TempDir()
	initrd := filepath.Join(dir, "initrd")
	f, err := os.Create(initrd)
	if err != nil {
		t.Fatal(err)
	}
	c := newCpio(f)
	fill(c)
	c.dir("modules")
	c.program("modules/overlay.ko", k.overlay)
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	first, second := filepath.Join(dir, "console"), filepath.Join(dir, "results")
	// One thread emulates both processors: with two, they were seen to lock
	// each other up for ever. Kernel messages below "critical" stay off the
	// console, since each holds a processor until the slow port took it.
	args := []string{"-M", "q35", "-accel", "tcg,thread=single", "-cpu", "max", "-smp", "2", "-m", "3072",
		"-kernel", k.image, "-initrd", initrd, "-append", "console=ttyS0 loglevel=2 panic=-1", "-display", "none", "-no-reboot", "-nic", "none",
		"-serial", "file:" + first, "-serial", "file:" + second, "-monitor", "none"}
	for try := 1; ; try++ {
		err = emulate(ctx, exec.Command(qemu, args...), first, second)
		console, results = text(t, first), text(t, second)
		if err == nil {
			return console, results
		}
		if !errors.Is(err, errStoodStill) || try == 3 {
			t.Fatalf("qemu: %v\n%s", err, clip(console))
		}
		t.Logf("boot %d: %v; again\n%s", try, err, clip(console))
	}
}

// standstill is longer than any job in a guest takes between two lines.
const standstill = 4 * time.Minute

var errStoodStill = errors.New("the machine wrote nothing for " + standstill.String())

// emulate runs a machine until it ends, ctx does, or the files that it writes
// stop growing.
func emulate(ctx context.Context, qemu *exec.Cmd, files ...string) error {
	for _, file := range files {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			return err
		}
	}
	var out bytes.Buffer
	qemu.Stdout, qemu.Stderr = &out, &out
	if err := qemu.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- qemu.Wait() }()
	kill := func(why error) error {
		_ = qemu.Process.Kill()
		<-ended
		return why
	}
	written, since := int64(0), time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				return fmt.Errorf("%w\n%s", err, &out)
			}
			return nil
		case <-ctx.Done():
			return kill(ctx.Err())
		case <-tick.C:
		}
		var now int64
		for _, file := range files {
			if st, err := os.Stat(file); err == nil {
				now += st.Size()
			}
		}
		if now != written {
			written, since = now, time.Now()
		} else if time.Since(since) > standstill {
			return kill(errStoodStill)
		}
	}
}

func text(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "\r\n", "\n")
}

// tooSlow are requirements whose programs an emulated processor does not
// finish within the limits that they are given, or that measure time.
const tooSlow = "memory:|64_MiB|a_reset_removes_whatever|many_daemons|orphans_are_reaped|CPU_time|uses_no_CPU|named_first|fork_bomb|cores"

// On kernel 6.1 with version 2 cgroups, as root and as a user with a delegated
// cgroup, each status and limit is named right and the conformance suite
// passes, but for what the emulator is too slow for. Without cgroups is tried
// elsewhere.
func TestGuest(t *testing.T) {
	cupel, image := cupelBinary(t), rootfs(t)
	native := slices.Concat([]string{"/tests/native"}, testFlags,
		[]string{"-test.run=^TestEngine$/^auto$", "-test.skip=TestEngine/auto/.*/(" + tooSlow + ")"})
	jobs := []job{{Name: "kernel", Args: []string{"/bin/uname", "-r"}, Seconds: 10}}
	checks := map[string]func(*testing.T, outcome){
		"kernel": func(t *testing.T, out outcome) {
			if !strings.HasPrefix(out.stdout, "6.1.") {
				t.Errorf("the kernel is %s", out.stdout)
			}
		},
	}
	for _, who := range []job{{Name: "root"}, {Name: "delegated", UID: plainUser, Cgroup: "delegated"}} {
		add := func(name string, args []string, check func(*testing.T, outcome)) {
			j := who
			j.Name, j.Args, j.Seconds = who.Name+"/"+name, args, 600
			jobs = append(jobs, j)
			checks[j.Name] = check
		}
		for _, e := range endings {
			add("limits/"+e.name, append([]string{"/tests/cupel"}, e.args...), func(t *testing.T, out outcome) { e.check(t, out) })
		}
		add("internal/engine/native", native, replay)
	}
	list, err := json.Marshal(jobs)
	if err != nil {
		t.Fatal(err)
	}
	console, results := boot(t, 25*time.Minute, func(c *cpio) {
		c.tar(image)
		c.program("init", built(t, "e2e/guest"))
		c.text("jobs.json", string(list))
		c.dir("tests")
		c.program("tests/native", testBinary(t, "internal/engine/native"))
		c.program("tests/cupel", cupel)
	})
	ran := map[string]done{}
	for dec := json.NewDecoder(strings.NewReader(results)); dec.More(); {
		var d done
		if err := dec.Decode(&d); err != nil {
			t.Fatalf("%v\n%s", err, clip(console))
		}
		ran[d.Name] = d
	}
	for _, j := range jobs {
		t.Run(j.Name, func(t *testing.T) {
			d, ok := ran[j.Name]
			if !ok || d.Error != "" {
				t.Fatalf("it did not run: %s\n%s", d.Error, clip(console))
			}
			for _, l := range d.Left {
				t.Errorf("%s is left", l)
			}
			checks[j.Name](t, outcome{d.Stdout, d.Stderr, d.Status})
		})
	}
}
