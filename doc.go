// Package cupel is the vocabulary of Cupel: an [Engine] makes a [Sandbox] from
// a [Spec], the sandbox runs a [Cmd] and says what the program did in a
// [Result].
//
// Two things never mix. What the program did (it exited 3, it ran out of time,
// it was killed by a signal) is a Result. What the machine failed to do (no
// namespace, no disk, the daemon is gone) is an error of type *[Error], which
// callers retry or report and never score.
//
// The package imports the standard library alone and holds no behaviour beyond
// validating and merging its own values. Engines live in internal/engine and
// are opened by name through package engines; package service shares them,
// pools sandboxes and admits work.
package cupel
