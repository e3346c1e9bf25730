//go:build linux && amd64

package seccomp

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// policies are all there can be.
func policies() []Policy {
	var out []Policy
	for s := SocketsPrivate; s <= SocketsHostScoped; s++ {
		for n := range 4 {
			out = append(out, Policy{Sockets: s, Container: n&1 != 0, FixedCPUs: n&2 != 0})
		}
	}
	return out
}

func compiled(t testing.TB, p Policy) []unix.SockFilter {
	t.Helper()
	prog, err := Filter(p)
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

func evaluate(t testing.TB, prog []unix.SockFilter, d data) answer {
	t.Helper()
	a, _, _, err := run(prog, d)
	if err != nil {
		t.Fatalf("%+v: %v", d, err)
	}
	return a
}

// expected reads the rule directly: the meaning that the compiler must keep.
func expected(r *rule, args [6]uint64) answer {
	if r == nil {
		return refuse(unix.ENOSYS)
	}
	for _, c := range r.cases {
		matches := true
		for _, test := range c.when {
			word := uint32(args[test.word/2]>>(32*(test.word%2))) & test.mask
			hit := test.any && word != 0
			for _, v := range test.in {
				hit = hit || word == v
			}
			matches = matches && hit
		}
		if matches {
			return c.then
		}
	}
	return r.otherwise
}

// arguments are vectors that reach every branch of r: each value a test names,
// its neighbours, each bit, and junk in the upper half.
func arguments(r *rule) [][6]uint64 {
	random := rand.New(rand.NewPCG(1, 2))
	interesting := [6][]uint64{}
	for i := range interesting {
		interesting[i] = []uint64{0, 1, 1 << 32, ^uint64(0)}
	}
	if r != nil {
		for _, c := range r.cases {
			for _, test := range c.when {
				arg := &interesting[test.word/2]
				for _, v := range append(test.in, test.mask) {
					w := uint64(v)
					*arg = append(*arg, w, w+1, w-1, w|0xabcd<<32, w|0x800)
				}
				for bit := range 64 {
					*arg = append(*arg, 1<<bit)
				}
			}
		}
	}
	var out [][6]uint64
	for range 3000 {
		var v [6]uint64
		for i, choices := range interesting {
			v[i] = choices[random.IntN(len(choices))]
		}
		out = append(out, v)
	}
	return out
}

// The program answers as the policy says for every number there is and any
// arguments.
func TestFilterIsThePolicy(t *testing.T) {
	for _, p := range policies() {
		t.Run(fmt.Sprintf("%+v", p), func(t *testing.T) {
			prog := compiled(t, p)
			byNumber, err := calls(p)
			if err != nil {
				t.Fatal(err)
			}
			for nr := range uint32(4096) {
				var r *rule
				if int(nr) < len(byNumber) {
					r = byNumber[nr]
				}
				vectors := [][6]uint64{{}}
				if r != nil && len(r.cases) > 0 {
					vectors = arguments(r)
				}
				for _, args := range vectors {
					got := evaluate(t, prog, data{nr, auditArch, args})
					if want := expected(r, args); got != want {
						t.Fatalf("system call %d%#x: %#x, want %#x", nr, args, got, want)
					}
				}
			}
		})
	}
}

// Another architecture never gets past the first comparison, and x32 and
// negative numbers are no system calls.
func TestFilterForeignNumbers(t *testing.T) {
	for _, p := range policies() {
		prog := compiled(t, p)
		for nr := range uint32(600) {
			for _, arch := range []uint32{unix.AUDIT_ARCH_I386, unix.AUDIT_ARCH_AARCH64, unix.AUDIT_ARCH_ARM, 0} {
				if got := evaluate(t, prog, data{nr: nr, arch: arch}); got != kill {
					t.Fatalf("system call %d of %#x: %#x", nr, arch, got)
				}
			}
			for _, foreign := range []uint32{nr | 0x40000000, nr | 0x80000000, -nr - 1, 1<<16 + nr} {
				if got := evaluate(t, prog, data{nr: foreign, arch: auditArch}); got != refuse(unix.ENOSYS) {
					t.Fatalf("system call %#x: %#x", foreign, got)
				}
			}
		}
	}
}

// The kernel evaluates the filter for every number when it is attached, and
// for calls whose answer depends on an argument each time: both stay cheap,
// and what is always allowed is seen to be, so that it is not evaluated again.
func TestFilterIsShallow(t *testing.T) {
	for _, p := range policies() {
		prog := compiled(t, p)
		byNumber, _ := calls(p)
		total, deepest, varying := 0, 0, 0
		for nr := range byNumber {
			_, steps, constant, err := run(prog, data{nr: uint32(nr), arch: auditArch})
			if err != nil {
				t.Fatal(err)
			}
			total += steps
			deepest = max(deepest, steps)
			if !constant {
				varying++
			}
		}
		mean := float64(total) / float64(len(byNumber))
		t.Logf("%+v: %d instructions, deepest %d, mean %.1f", p, len(prog), deepest, mean)
		if len(prog) > 256 || deepest > 24 || mean > 12 || varying > 8 {
			t.Errorf("%+v: %d instructions, deepest %d, mean %.1f, %d calls never cached", p, len(prog), deepest, mean, varying)
		}
	}
}

// Numbers are those of the kernel, as x/sys has them.
func TestTableMatchesXSys(t *testing.T) {
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", "golang.org/x/sys/unix").Output()
	if err != nil {
		t.Skipf("go list: %v", err)
	}
	src, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "zsysnum_linux_amd64.go"))
	if err != nil {
		t.Fatal(err)
	}
	numbers, _ := numbersByName()
	found := regexp.MustCompile(`SYS_(\w+)\s+= (\d+)`).FindAllStringSubmatch(string(src), -1)
	if len(found) < 300 {
		t.Fatalf("%d system calls found", len(found))
	}
	for _, m := range found {
		name := strings.ToLower(m[1])
		want, _ := strconv.Atoi(m[2])
		if got, ok := numbers[name]; ok && got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		} else if !ok && want <= 471 {
			t.Errorf("%s (%d) is missing", name, want)
		}
	}
}

// Jumps further than 8 bits reach their targets: a policy whose every number
// has a rule of its own.
func TestLongJumps(t *testing.T) {
	byNumber := make([]*rule, 900)
	for nr := range byNumber {
		byNumber[nr] = &rule{otherwise: refuse(unix.Errno(nr % 7))}
		if nr%3 == 0 {
			byNumber[nr].cases = []branch{{[]test{is(0, uint32(nr), 5), masked(1, 0xf, 3)}, allow}}
		}
	}
	var b program
	b.fallInto(b.tree(b.spans(byNumber)))
	b.emit(load(offsetNumber))
	prog, err := b.finish()
	if err != nil {
		t.Fatal(err)
	}
	for nr, r := range byNumber {
		for _, args := range [][6]uint64{{}, {uint64(nr), 0x33}, {5, 0x13}, {uint64(nr), 4}} {
			got := evaluate(t, prog, data{uint32(nr), auditArch, args})
			if want := expected(r, args); got != want {
				t.Fatalf("%d%v: %#x, want %#x", nr, args, got, want)
			}
		}
	}
	if got := evaluate(t, prog, data{nr: 900}); got != refuse(unix.ENOSYS) {
		t.Errorf("above the last: %#x", got)
	}
}
