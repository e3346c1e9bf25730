// Package initproc is the process number 1 of every run: a static program of
// some hundred bytes of machine code, assembled into this binary and executed
// from a memory file.
//
// It makes itself non-dumpable, so that nobody in its user namespace can trace
// it, read its memory or take its descriptors. Then it waits for two things: a
// dead child (it reaps orphans, and so collects what they used) and the end of
// the lifeline, a pipe on descriptor 0 whose only writer is Cupel itself and
// into which nothing is ever written. When Cupel is gone, however it went, the
// pipe ends, init exits, and the kernel kills every process of its pid
// namespace. It speaks to nobody: there is no control channel to attack.
//
// What it expects: descriptor 0 the lifeline, descriptor 1 a signalfd of
// SIGCHLD, SIGCHLD blocked.
package initproc
