package spawn

// Program is a table of system calls, built by Call and its kin and run once
// by Start. It is not safe for concurrent use and must not be copied.
type Program struct {
	ops    []Op
	keep   []any
	raw    []rawOp
	report *report
}

// Op is one system call of a Program. The methods refine it and return it.
type Op struct {
	name     string
	nr       uintptr
	args     [6]uintptr
	store    *uintptr // the result goes here, -errno included when tolerated
	first    *uintptr // the first argument is read from here at run time
	onZero   int      // continue there when the result is 0; -1: never
	tolerate bool
}

// rawOp is what the assembly reads; its layout is known there.
type rawOp struct {
	nr       uintptr
	args     [6]uintptr
	store    *uintptr
	onZero   *rawOp
	tolerate uintptr
	first    *uintptr
}

// report is what the assembly writes when a call fails.
type report struct {
	op    *rawOp
	errno uintptr
}

// Failure is a system call that failed in the child.
type Failure struct {
	Name  string // as given to Call: "mount proc"
	Errno uintptr
}

// usualLength is room for the longest of the programs that are made here.
const usualLength = 128

// Call appends a system call. The name is for people: what the call is for.
func (p *Program) Call(name string, nr uintptr, args ...uintptr) *Op {
	if p.ops == nil {
		p.ops = make([]Op, 0, usualLength)
	}
	op := Op{name: name, nr: nr, onZero: -1}
	copy(op.args[:], args)
	p.ops = append(p.ops, op)
	return &p.ops[len(p.ops)-1]
}

// Next is the index that the next Call will have.
func (p *Program) Next() int { return len(p.ops) }

// Keep holds v alive until the Program is dropped: what the table points to
// must stay where it is.
func (p *Program) Keep(v any) { p.keep = append(p.keep, v) }

// Tolerate lets the program go on when the call fails.
func (o *Op) Tolerate() *Op { o.tolerate = true; return o }

// Store puts the result where w points; a tolerated failure is -errno.
func (o *Op) Store(w *uintptr) *Op { o.store = w; return o }

// First reads the call's first argument from where w points when the call is
// made: a descriptor that an earlier call stored.
func (o *Op) First(w *uintptr) *Op { o.first = w; return o }

// OnZero continues at index op when the call returns 0: the child's side of a
// nested clone.
func (o *Op) OnZero(op int) *Op { o.onZero = op; return o }

// compile lays the table out for the assembly.
func (p *Program) compile() {
	p.raw = make([]rawOp, len(p.ops))
	p.report = &report{}
	for i := range p.ops {
		o, r := &p.ops[i], &p.raw[i]
		r.nr, r.args, r.store, r.first = o.nr, o.args, o.store, o.first
		if o.onZero >= 0 {
			r.onZero = &p.raw[o.onZero]
		}
		if o.tolerate {
			r.tolerate = 1
		}
	}
}

// Failure returns the call that ended the child early, or nil. Meaningful once
// the child has ended or executed a program.
func (p *Program) Failure() *Failure {
	if p.report == nil || p.report.op == nil {
		return nil
	}
	for i := range p.raw {
		if &p.raw[i] == p.report.op {
			return &Failure{Name: p.ops[i].name, Errno: p.report.errno}
		}
	}
	return &Failure{Name: "unknown call", Errno: p.report.errno}
}

// OnZeroAt sets where the call at index i continues when it returns 0.
func (p *Program) OnZeroAt(i, op int) { p.ops[i].onZero = op }
