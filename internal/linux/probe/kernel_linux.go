package probe

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Kernel is the running kernel's release as uname gives it, such as
// "6.1.0-18-cloud-amd64", and its first two numbers, 0 if unreadable.
func Kernel() (release string, major, minor int) {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return "", 0, 0
	}
	release = unix.ByteSliceToString(name.Release[:])
	major, minor = parseRelease(release)
	return release, major, minor
}

// parseRelease reads "6.1.0-18" as 6, 1, and "6-rc1" as 6, 0.
func parseRelease(release string) (major, minor int) {
	first, rest, _ := strings.Cut(release, ".")
	return leadingNumber(first), leadingNumber(rest)
}

func leadingNumber(s string) int {
	digits := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if digits >= 0 {
		s = s[:digits]
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}
