//go:build linux

package seccomp

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// data is struct seccomp_data without the instruction pointer.
type data struct {
	nr, arch uint32
	args     [6]uint64
}

func (d data) word(offset uint32) (uint32, error) {
	switch {
	case offset == offsetNumber:
		return d.nr, nil
	case offset == offsetArch:
		return d.arch, nil
	case offset >= offsetArgs && offset < offsetArgs+48 && offset%4 == 0:
		n := (offset - offsetArgs) / 4
		return uint32(d.args[n/2] >> (32 * (n % 2))), nil
	}
	return 0, fmt.Errorf("load at %d", offset)
}

// run evaluates prog as the kernel would. It returns the answer, how many
// instructions that took, and whether it depended on nothing but number and
// architecture.
func run(prog []unix.SockFilter, d data) (a answer, steps int, constant bool, err error) {
	var acc uint32
	constant = true
	for pc := 0; ; pc++ {
		if pc >= len(prog) {
			return 0, steps, false, fmt.Errorf("ran off the end at %d", pc)
		}
		steps++
		ins := prog[pc]
		skip := func(yes bool) {
			if yes {
				pc += int(ins.Jt)
			} else {
				pc += int(ins.Jf)
			}
		}
		switch ins.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			constant = constant && ins.K < offsetArgs
			if acc, err = d.word(ins.K); err != nil {
				return 0, steps, false, err
			}
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			acc &= ins.K
		case unix.BPF_JMP | unix.BPF_JA:
			pc += int(ins.K)
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			skip(acc == ins.K)
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			skip(acc >= ins.K)
		case unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K:
			skip(acc&ins.K != 0)
		case unix.BPF_RET | unix.BPF_K:
			return answer(ins.K), steps, constant, nil
		default:
			return 0, steps, false, fmt.Errorf("instruction %#x at %d", ins.Code, pc)
		}
	}
}
