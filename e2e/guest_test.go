package e2e

import (
	"bytes"
	"context"
	"encoding/json"
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
// and returns what it wrote to the console and to the second port.
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
	cmd := exec.CommandContext(ctx, qemu, "-M", "q35,accel=tcg", "-cpu", "max", "-smp", "2", "-m", "3072",
		"-kernel", k.image, "-initrd", initrd, "-append", "console=ttyS0 quiet panic=-1", "-display", "none", "-no-reboot", "-nic", "none",
		"-serial", "file:"+first, "-serial", "file:"+second, "-monitor", "none")
	out, err := cmd.CombinedOutput()
	console, results = text(t, first), text(t, second)
	if err != nil {
		t.Fatalf("qemu: %v\n%s\n%s", err, out, clip(console))
	}
	return console, results
}

func text(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "\r\n", "\n")
}

// On kernel 6.1 with version 2 cgroups, as root and as a user with a delegated
// cgroup, the conformance suite passes and the bundled answers are judged
// right. The machine is emulated: it is several times slower than this one.
func TestGuest(t *testing.T) {
	cupel, image := cupelBinary(t), rootfs(t)
	// Without cgroups is tried elsewhere, on faster machines.
	native := slices.Concat([]string{"/tests/native"}, testFlags, []string{"-test.run=^TestEngine$/^auto$"})
	jobs := []job{
		{Name: "kernel", Args: []string{"/bin/uname", "-r"}, Seconds: 10},
		{Name: "root", Args: native, Seconds: 600},
		{Name: "delegated", UID: plainUser, Cgroup: "delegated", Args: native, Seconds: 600},
		{Name: "demo", Args: []string{"/tests/cupel", "demo", "--json"}, Seconds: 300},
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
	for dec := json.NewDecoder(bytes.NewReader([]byte(results))); dec.More(); {
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
			out := outcome{d.Stdout, d.Stderr, d.Status}
			switch j.Name {
			case "kernel":
				if !strings.HasPrefix(d.Stdout, "6.1.") {
					t.Errorf("the kernel is %s", d.Stdout)
				}
			case "demo":
				judged(t, out, reference(t), "bash", "python")
			default:
				replay(t, out)
			}
		})
	}
}
