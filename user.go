package cupel

import (
	"strconv"
	"strings"
)

// MaxID is the largest user or group id inside a sandbox.
const MaxID = 65535

// ParseUser reads "UID" or "UID:GID"; a missing GID is the UID. Names are not
// resolved: they belong to the image's /etc/passwd, which a program may have
// written.
func ParseUser(s string) (uid, gid int, err error) {
	u, g, both := strings.Cut(s, ":")
	if !both {
		g = u
	}
	uid, uerr := strconv.Atoi(u)
	gid, gerr := strconv.Atoi(g)
	if uerr != nil || gerr != nil || uid < 0 || gid < 0 || uid > MaxID || gid > MaxID {
		return 0, 0, Invalidf("user", s, "give UID or UID:GID, numbers from 0 to 65535")
	}
	return uid, gid, nil
}
