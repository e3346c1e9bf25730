package seccomp

import "golang.org/x/sys/unix"

// answer is what the kernel does with a system call: a SECCOMP_RET_* value.
type answer uint32

const (
	allow answer = unix.SECCOMP_RET_ALLOW
	kill  answer = unix.SECCOMP_RET_KILL_PROCESS
)

// refuse makes the system call return errno.
func refuse(errno unix.Errno) answer {
	return answer(unix.SECCOMP_RET_ERRNO | uint32(errno))
}

// rule answers a system call: the first case that matches, else otherwise.
type rule struct {
	cases     []branch
	otherwise answer
}

// branch answers a system call if every one of its tests holds.
type branch struct {
	when []test
	then answer
}

// test looks at 32 bits of one argument. That is all of it where the kernel's
// own prototype says int, unsigned int or mode_t: the upper half of the
// register is then ignored by the kernel, and must be here.
type test struct {
	word uint32   // index into the twelve 32-bit words of the arguments
	mask uint32   // the bits looked at
	any  bool     // holds if any bit of mask is set; else if one of in is equal
	in   []uint32 // the values compared with the masked word
}

// is holds if the low half of argument arg (0 to 5) equals one of values.
func is(arg uint32, values ...uint32) test {
	return masked(arg, ^uint32(0), values...)
}

// masked is is, but only the bits of mask are compared.
func masked(arg, mask uint32, values ...uint32) test {
	return test{word: 2 * arg, mask: mask, in: values}
}

// hasAny holds if the low half of argument arg has any of bits set.
func hasAny(arg, bits uint32) test {
	return test{word: 2 * arg, mask: bits, any: true}
}

// null are the tests that hold if the whole of argument arg is 0: a pointer's
// two halves are on their own meaningless. Word order is little-endian, as on
// every architecture that has a table here.
func null(arg uint32) []test {
	upper := test{word: 2*arg + 1, mask: ^uint32(0), in: []uint32{0}}
	return []test{is(arg, 0), upper}
}
