package seccomp

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// program is assembled from its last instruction to its first: classic BPF
// only jumps forward, so a jump's targets are always there before it, and
// distances are known. The zero value is empty.
type program struct {
	reversed []unix.SockFilter
	rets     map[answer]label
}

// label is an instruction's index in program.reversed.
type label int

// farthest is what a conditional jump can skip, less one instruction that may
// have to be put between for its other target.
const farthest = 255 - 1

func (b *program) emit(ins unix.SockFilter) label {
	b.reversed = append(b.reversed, ins)
	return label(len(b.reversed) - 1)
}

// distance is how many instructions lie between the next emitted and to.
func (b *program) distance(to label) int { return len(b.reversed) - 1 - int(to) }

// load reads a word of struct seccomp_data into the accumulator.
func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

// ret is an instruction that gives a, shared by all that can reach it.
func (b *program) ret(a answer) label {
	if l, ok := b.rets[a]; ok {
		return l
	}
	if b.rets == nil {
		b.rets = map[answer]label{}
	}
	b.rets[a] = b.emit(unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: uint32(a)})
	return b.rets[a]
}

// near is to itself, or where that is too far for a conditional jump, an
// instruction close by that does the same.
func (b *program) near(to label) label {
	if b.distance(to) <= farthest {
		return to
	}
	if ins := b.reversed[to]; ins.Code == unix.BPF_RET|unix.BPF_K {
		latest := b.rets[answer(ins.K)]
		if b.distance(latest) > farthest {
			latest = b.emit(ins)
			b.rets[answer(ins.K)] = latest
		}
		return latest
	}
	return b.emit(unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(b.distance(to))})
}

// jump compares the accumulator with k and goes to yes or no. op is BPF_JEQ,
// BPF_JGE or BPF_JSET.
func (b *program) jump(op uint16, k uint32, yes, no label) label {
	yes, no = b.near(yes), b.near(no)
	return b.emit(unix.SockFilter{
		Code: unix.BPF_JMP | op | unix.BPF_K,
		Jt:   uint8(b.distance(yes)),
		Jf:   uint8(b.distance(no)),
		K:    k,
	})
}

// fallInto makes to the instruction that the next emitted one runs into.
func (b *program) fallInto(to label) {
	if d := b.distance(to); d > 0 {
		b.emit(unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(d)})
	}
}

// rule emits r and returns where it starts.
func (b *program) rule(r *rule) label {
	next := b.ret(r.otherwise)
	for _, c := range slices.Backward(r.cases) {
		yes := b.ret(c.then)
		for _, t := range slices.Backward(c.when) {
			yes = b.test(t, yes, next)
		}
		next = yes
	}
	return next
}

// test emits t: load the word, compare, go to yes or no.
func (b *program) test(t test, yes, no label) label {
	first := no
	if t.any {
		first = b.jump(unix.BPF_JSET, t.mask, yes, no)
	}
	for _, v := range slices.Backward(t.in) {
		first = b.jump(unix.BPF_JEQ, v, yes, first)
	}
	b.fallInto(first)
	if !t.any && t.mask != ^uint32(0) {
		b.emit(unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: t.mask})
	}
	return b.emit(load(offsetArgs + 4*t.word))
}

// finish returns the program from first to last instruction.
func (b *program) finish() ([]unix.SockFilter, error) {
	if n := len(b.reversed); n > unix.BPF_MAXINSNS {
		return nil, fmt.Errorf("seccomp: program of %d instructions, the kernel takes %d", n, unix.BPF_MAXINSNS)
	}
	slices.Reverse(b.reversed)
	return b.reversed, nil
}
