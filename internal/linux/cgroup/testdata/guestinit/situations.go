package main

// A situation is where and as whom the programs run.
type situation struct {
	name   string
	cgroup string // below the top; "" is the top itself
	uid    int
	owned  bool // the cgroup belongs to uid
	// crowded puts another process of the same user into the cgroup.
	crowded bool
	// parentGives is what the cgroup's parent hands down; "" is all.
	parentGives string
	// inside is "container" for a cgroup namespace of its own, "read-only"
	// for one whose mount can't be written.
	inside string
	// expect is what package cgroup should find there.
	expect string
}

var situations = []situation{
	{name: "root-at-top", expect: "v2 memory pids cpu"},
	// Root leaves a cgroup that it may not rearrange for the top.
	{name: "root-in-a-cgroup", cgroup: "service", expect: "v2 memory pids cpu"},
	{name: "root-beside-others", cgroup: "service", crowded: true, expect: "v2 memory pids cpu"},
	{name: "root-in-a-container", cgroup: "container", inside: "container", expect: "v2 memory pids cpu"},
	{name: "root-in-a-crowded-container", cgroup: "container", inside: "container", crowded: true, expect: "none"},
	{name: "root-in-a-read-only-container", cgroup: "container", inside: "read-only", expect: "none"},
	{name: "user-delegated", cgroup: "delegated", uid: uid, owned: true, expect: "v2 memory pids cpu"},
	{name: "user-delegated-without-cpu", cgroup: "half/delegated", uid: uid, owned: true,
		parentGives: "+memory +pids", expect: "v2 memory pids"},
	{name: "user-delegated-beside-others", cgroup: "delegated", uid: uid, owned: true, crowded: true, expect: "none"},
	{name: "user-without", cgroup: "session", uid: uid, expect: "none"},
}
