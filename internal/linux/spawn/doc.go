// Package spawn runs a short program of raw system calls in a new child
// process that shares this process's memory until it executes something else.
//
// It is how Cupel enters namespaces, mounts file systems and starts programs
// without running any Go code in a forked child: a Go runtime can't be forked,
// re-executing oneself costs milliseconds of package initialisation, and
// os/exec copies the page tables of a large parent as soon as a user namespace
// is asked for. Here the child is made by clone3(CLONE_VM) and does nothing but
// walk a table of system calls in registers: it uses no stack, no allocator, no
// scheduler, and costs the same whatever the size of the parent's heap.
//
// The parent is not suspended (no CLONE_VFORK), so it can write the child's id
// maps or release it through a Word meanwhile. Because the memory is shared,
// the results of calls appear in the parent's own variables, and a call that
// fails leaves its name and errno in Program.Failure.
package spawn
