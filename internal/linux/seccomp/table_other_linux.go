//go:build linux && !amd64

package seccomp

// No table yet: Filter refuses.
const auditArch = 0

var table []names
