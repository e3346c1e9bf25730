// Package native is the embedded engine: rootless, daemonless, in this
// process. It holds the policy (what a sandbox is made of, which limits bite
// how, what counts as evidence); the kernel work is in internal/linux.
//
// As root, sandboxes get a range of unprivileged ids; as a plain user, one id.
// Memory, process and core limits are the kernel's where cgroups can be had,
// and a watcher's and rlimits' where they can't. docs/design/0001-engine.md
// tells why it is built so.
package native

// Config is how an Engine is opened. Its zero value works.
type Config struct {
	// Cache is where unpacked images and skeletons are kept. Default:
	// $CUPEL_CACHE, else /var/cache/cupel as root, else the user's cache
	// directory.
	Cache string `json:"cache,omitempty"`
	// Cgroups is "auto" (default) or "none", which does without them.
	Cgroups string `json:"cgroups,omitempty"`
	// CgroupRoot is the cgroup to work in. Default: the one this process is in.
	CgroupRoot string `json:"cgroup_root,omitempty"`
}
