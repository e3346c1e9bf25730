package cgroup

import (
	"path"
	"slices"
	"strings"
)

// wanted is the controllers that we use, in the order of their importance.
// cpuacct is version 1's way to count CPU time; version 2 counts always.
var wanted = []string{"memory", "pids", "cpu", "cpuacct"}

// hierarchy is one mounted cgroup tree with controllers for us.
type hierarchy struct {
	version     int
	controllers []string // of wanted; in version 2 those not bound elsewhere
	mount       string   // where it is mounted
	own         string   // the directory of our own cgroup, below mount
}

// mountPoint is one line of mountinfo of type cgroup or cgroup2.
type mountPoint struct {
	version     int
	point, root string
	controllers []string
	readOnly    bool
}

// discover finds the hierarchies to use from the texts of
// /proc/self/mountinfo and /proc/self/cgroup. A root other than "" stands in
// for our own cgroup. Unmounted are the controllers of no hierarchy that is
// mounted in sight.
func discover(mountinfo, membership, root string) (found []hierarchy, unmounted []string) {
	mounts, paths := parseMounts(mountinfo), parseMembership(membership)
	var left []string
	for _, controller := range wanted {
		own, bound := paths[controller]
		if !bound {
			left = append(left, controller)
			continue
		}
		m := pickMount(mounts, 1, controller)
		if m == nil {
			unmounted = append(unmounted, controller)
			continue
		}
		i := slices.IndexFunc(found, func(h hierarchy) bool { return h.mount == m.point })
		if i < 0 {
			found = append(found, hierarchy{version: 1, mount: m.point, own: m.locate(own, root)})
			i = len(found) - 1
		}
		found[i].controllers = append(found[i].controllers, controller)
	}
	left = slices.DeleteFunc(left, func(c string) bool { return c == "cpuacct" })
	if len(left) == 0 {
		return found, unmounted
	}
	m := pickMount(mounts, 2, "")
	if m == nil {
		return found, append(unmounted, left...)
	}
	return append(found, hierarchy{version: 2, controllers: left, mount: m.point, own: m.locate(paths[""], root)}), unmounted
}

// pickMount returns the first writable mount of the version that has the
// controller (any, if ""), else the first read-only one, else nil.
func pickMount(mounts []mountPoint, version int, controller string) *mountPoint {
	var best *mountPoint
	for i := range mounts {
		m := &mounts[i]
		if m.version != version || controller != "" && !slices.Contains(m.controllers, controller) {
			continue
		}
		if best == nil || best.readOnly && !m.readOnly {
			best = m
		}
	}
	return best
}

// locate returns the directory of the cgroup own. A mount may show only a part
// of the tree, and a cgroup namespace may hide where that part is: then the
// mount's top is the nearest thing to our own cgroup.
func (m *mountPoint) locate(own, root string) string {
	if root != "" {
		if rest, ok := below(root, m.point); ok {
			return path.Join(m.point, rest)
		}
		return path.Join(m.point, path.Clean("/"+root))
	}
	if strings.HasPrefix(own, "/..") {
		return m.point
	}
	rest, ok := below(own, m.root)
	if !ok {
		return m.point
	}
	return path.Join(m.point, rest)
}

// below returns the part of name after the directory dir.
func below(name, dir string) (rest string, ok bool) {
	if dir == "/" || name == dir {
		return strings.TrimPrefix(name, dir), true
	}
	return strings.CutPrefix(name, strings.TrimSuffix(dir, "/")+"/")
}

// parseMounts reads the cgroup lines of a mountinfo text and skips what it
// can't read. The form of a line is in proc(5): the optional fields before
// the "-" vary in number.
func parseMounts(text string) []mountPoint {
	var mounts []mountPoint
	for line := range strings.Lines(text) {
		before, after, ok := strings.Cut(strings.TrimRight(line, "\n"), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 6 || len(right) < 3 {
			continue
		}
		m := mountPoint{point: unescape(left[4]), root: unescape(left[3])}
		m.readOnly = hasOption(left[5], "ro") || hasOption(right[2], "ro")
		switch right[0] {
		case "cgroup2":
			m.version = 2
		case "cgroup":
			m.version = 1
			for _, c := range wanted {
				if hasOption(right[2], c) {
					m.controllers = append(m.controllers, c)
				}
			}
		default:
			continue
		}
		mounts = append(mounts, m)
	}
	return mounts
}

// parseMembership reads a /proc/PID/cgroup text: the path by controller, and
// that of version 2 under "".
func parseMembership(text string) map[string]string {
	paths := map[string]string{}
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimRight(line, "\n"), ":", 3)
		if len(parts) != 3 || !strings.HasPrefix(parts[2], "/") {
			continue
		}
		for name := range strings.SplitSeq(parts[1], ",") {
			paths[name] = parts[2]
		}
	}
	return paths
}

func hasOption(list, option string) bool {
	return slices.Contains(strings.Split(list, ","), option)
}

// unescape undoes mountinfo's octal escapes of blanks and backslashes.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && isOctal(s[i+1:i+4]) {
			b.WriteByte((s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | (s[i+3] - '0'))
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func isOctal(s string) bool {
	return strings.Trim(s, "01234567") == ""
}
