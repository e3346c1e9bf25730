// Package tree moves files in and out of a directory tree that a hostile
// program owns, and may be changing at the same moment.
//
// Everything goes through descriptors. A path is resolved by openat2 with the
// tree's root as the root of the resolution and without magic links, so that no
// "..", absolute link or /proc link leads out; what is then done, is done to a
// name in an open directory without following a link there. A directory that is
// moved while it is walked can make a call fail, and can't make it leave the
// tree. Walks keep one descriptor whatever the depth, and no path is ever longer
// than a name, so that a tree deeper than PATH_MAX is a tree like any other.
//
// Files on /proc, /sys and other file systems that are the kernel's interfaces
// are neither read nor written, even where the caller could.
//
// It serves two callers with two sets of rules: [Put] for what a user uploads
// into a running sandbox, and [Unpack] for an image archive into a directory
// that nobody uses yet.
package tree
