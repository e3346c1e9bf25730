// Package bench measures what a sandbox costs: the engine alone, in this
// process, against a plain fork and exec of the same program and against other
// tools where they are installed.
//
// A machine is never quiet, so nothing here is measured after something else:
// the ways of running a program take turns, one run each (A B C A B C …), and
// what is reported are medians and the ratio of each to the plain one's.
package bench
