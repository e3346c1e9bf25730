package initproc

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

// The program must be a valid executable, stay alive while the lifeline is
// open, and exit when its writer is gone.
func TestLivesAsLongAsItsLifeline(t *testing.T) {
	fd, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "init")
	defer f.Close()
	if _, err := elf.NewFile(f); err != nil {
		t.Fatalf("not an ELF file: %v", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	sr, sw, err := os.Pipe() // stands in for the signalfd: never readable
	if err != nil {
		t.Fatal(err)
	}
	defer sr.Close()
	defer sw.Close()
	cmd := exec.Command(fmt.Sprintf("/proc/self/fd/%d", fd))
	cmd.Stdin, cmd.Stdout = r, sr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.Close()
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		t.Fatalf("ended before its lifeline: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	w.Close()
	select {
	case err := <-done:
		if err != nil {
			t.Fatalf("ended badly: %v", err)
		}
	case <-time.After(10 * time.Second):
		_ = cmd.Process.Kill()
		t.Fatal("outlived its lifeline")
	}
}

func TestIsSmall(t *testing.T) {
	if n := len(code()); n == 0 || n > 256 {
		t.Fatalf("init is %d bytes of code", n)
	}
}
