// Package space makes the place that a sandbox is, a set of namespaces with a
// file system of its own, and starts programs in it.
//
// A Space is no process. It is six descriptors: the user, mount, network, IPC,
// UTS and cgroup namespaces that Create's short-lived child set up, and a
// handle on its root directory. When they are closed, also by the death of
// this process, the kernel takes the namespaces and every file in them apart.
//
// Start runs one program in a Space. A short-lived child enters the namespaces,
// takes a private copy of the mounts, opens a new pid namespace and clones two
// children whose parent is this process: init (package initproc), pid 1, which
// reaps; and the program. So the exit status and the resources used come
// from the kernel by wait4, not from inside. Ending a run is killing init: the
// kernel kills everything else in the pid namespace, however it hid.
//
// All set-up is a table of system calls (package spawn); each has a name, and
// an error is a *StepError that says which one failed.
package space
