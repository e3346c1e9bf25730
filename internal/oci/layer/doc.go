// Package layer turns the bytes of an image archive into a directory: a plain
// tar, or one compressed by gzip. The archive is not trusted: what it may name
// is decided by package tree, what it may cost is bounded here.
package layer
