package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// tiny is a program that exits at once: what children of the probes execute.
// It is built here and run from memory, as running this program again would
// run an embedder's main, and /bin/true may be absent.
type tiny struct {
	path   string
	memory *os.File // nil: path is of a file that was there
	err    error    // why there is no memory
}

// openTiny never fails: without a memory file it falls back to /bin/true.
func openTiny() *tiny {
	t := &tiny{path: "/bin/true"}
	image := tinyELF()
	if image == nil {
		t.err = errors.New("no program for " + runtime.GOARCH)
		return t
	}
	fd, err := unix.MemfdCreate("probe", unix.MFD_CLOEXEC)
	if err != nil {
		t.err = fmt.Errorf("memfd_create: %w", err)
		return t
	}
	t.memory = os.NewFile(uintptr(fd), "memfd:probe")
	if _, err := t.memory.Write(image); err != nil {
		t.err = fmt.Errorf("write to memfd: %w", err)
	}
	t.path = fmt.Sprintf("/proc/self/fd/%d", fd)
	return t
}

func (t *tiny) close() {
	if t.memory != nil {
		t.memory.Close()
	}
}

// memfdExec probes running a program from memory. If that is refused, later
// probes run /bin/true instead.
func (t *tiny) memfdExec(ctx context.Context) Ability {
	const fix = "sysctl vm.memfd_noexec=0"
	err := t.err
	if err == nil {
		err = t.run(ctx, &syscall.SysProcAttr{})
	}
	if err != nil {
		t.path = "/bin/true"
	}
	a := verdict("memfd exec", "", err, "")
	if err != nil && sysctl("vm.memfd_noexec") == "2" {
		a.Fix = fix
	}
	return a
}

// run starts the program with attr and waits for it. The error names the
// errno of clone, of writing the id maps or of exec.
func (t *tiny) run(ctx context.Context, attr *syscall.SysProcAttr) error {
	cmd := exec.CommandContext(ctx, t.path)
	cmd.Env = []string{}
	cmd.SysProcAttr = attr
	err := cmd.Run()
	if errno := unix.Errno(0); errors.As(err, &errno) {
		return errno
	}
	return err
}

// tinyELF is the smallest static program that exits with 0, nil where its
// machine code has not been written.
func tinyELF() []byte {
	const base, header = 0x400000, 64 + 56
	var machine uint16
	var code []byte
	switch runtime.GOARCH {
	case "amd64": // mov eax, SYS_exit; xor edi, edi; syscall
		machine, code = 62, []byte{0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05}
	case "arm64": // movz x8, #SYS_exit; movz x0, #0; svc #0
		machine, code = 183, []byte{0xa8, 0x0b, 0x80, 0xd2, 0, 0, 0x80, 0xd2, 0x01, 0, 0, 0xd4}
	default:
		return nil
	}
	le := binary.LittleEndian
	b := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 9)...)
	b = le.AppendUint16(b, 2) // ET_EXEC
	b = le.AppendUint16(b, machine)
	b = le.AppendUint32(b, 1)           // version
	b = le.AppendUint64(b, base+header) // entry
	b = le.AppendUint64(b, 64)          // program headers follow
	b = le.AppendUint64(b, 0)           // no sections
	b = le.AppendUint32(b, 0)           // flags
	for _, v := range []uint16{64, 56, 1, 0, 0, 0} {
		b = le.AppendUint16(b, v)
	}
	b = le.AppendUint32(b, 1) // PT_LOAD
	b = le.AppendUint32(b, 5) // readable, executable
	size := uint64(header + len(code))
	for _, v := range []uint64{0, base, base, size, size, 0x1000} {
		b = le.AppendUint64(b, v)
	}
	return append(b, code...)
}
