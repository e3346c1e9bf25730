package probe

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// place is what decides, besides the kernel, whether namespaces can be made.
type place struct {
	root     bool                // effective uid 0
	filtered bool                // a seccomp filter is on this process
	sysctl   func(string) string // "" if there is no such key
}

func thisPlace() place {
	status, _ := os.ReadFile("/proc/thread-self/status")
	return place{
		root:     os.Geteuid() == 0,
		filtered: strings.Contains(string(status), "\nSeccomp:\t2\n"),
		sysctl:   sysctl,
	}
}

// sysctl reads a key such as "kernel.osrelease".
func sysctl(key string) string {
	b, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(key, ".", "/"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// fix says what to do about err from making a namespace whose number is
// limited by the sysctl user.max_LIMIT_namespaces.
func (p place) fix(err error, limit string) string {
	key := "user.max_" + limit + "_namespaces"
	switch {
	case errors.Is(err, unix.ENOSPC) && p.sysctl(key) == "0":
		return "sysctl " + key + "=15000"
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EUSERS):
		return fmt.Sprintf("raise %s (now %s), or nest less deeply", key, p.sysctl(key))
	case errors.Is(err, unix.EINVAL):
		return "use a kernel built with this kind of namespace"
	case !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.ENOSYS):
		return ""
	}
	switch {
	case !p.root && p.sysctl("kernel.unprivileged_userns_clone") == "0":
		return "sysctl kernel.unprivileged_userns_clone=1"
	case !p.root && p.sysctl("kernel.apparmor_restrict_unprivileged_userns") == "1":
		return "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or give this program an AppArmor profile that allows userns"
	case p.filtered:
		return "start the container with seccomp unconfined (docker: --security-opt seccomp=unconfined; Kubernetes: seccompProfile.type Unconfined)"
	}
	return "a security module (AppArmor, SELinux) or a chroot refuses it: run outside of it"
}
