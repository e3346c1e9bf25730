// Package probe finds out what this kernel, in this place, lets this process
// do, by doing it: a version number says little where distributions backport,
// container runtimes filter and administrators switch off. One round costs
// some milliseconds, starts four to a dozen short processes and leaves nothing
// behind.
//
// What takes a mount inside a new user namespace (proc, overlayfs, tmpfs) and
// cgroups are not probed here, but by those who know how to build them.
package probe

// Ability is something that a sandbox is built from, and whether it is there.
type Ability struct {
	// Name is short and stable, such as "user namespace".
	Name string
	// OK says that it worked just now.
	OK bool
	// Detail is what was found: a version if OK, else what failed and how.
	Detail string
	// Fix is what to do to get it, such as
	// "sysctl kernel.unprivileged_userns_clone=1". Empty if OK, or if only
	// another kernel helps and Detail says so.
	Fix string
}
