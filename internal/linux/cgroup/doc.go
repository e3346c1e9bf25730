// Package cgroup bounds and measures process trees with Linux control groups,
// whichever form this machine has: version 2, version 1, both at once
// (hybrid), a delegated piece of version 2, or none.
//
// # Places
//
// [Open] finds the cgroups that this process is in and makes one directory of
// its own there, in each hierarchy that it needs: cupel.ID, where ID names the
// owner by process id, start time, pid namespace and a counter. Below it are
// the leaves, numbered; [Manager.Acquire] hands them out and [Leaf.Release]
// takes them back. Each controller is taken from where the kernel has bound
// it: one that sits in a version 1 hierarchy is used there even if cgroup2 is
// mounted as well, since it is not available in the other. What Open reports
// in [Manager.Controllers] has been tried: a directory was made and a limit
// set and read back.
//
// Version 2 forbids processes beside children in a cgroup that hands out
// controllers. If our own cgroup can't take a leaf, the nearest ancestor that
// can is used (a shell's scope has siblings: the slice above it takes the
// leaves). Only where the cgroup is delegated to us and we are the only
// process in it do we step into a child, cupel-self, to make room; we never
// move anybody else's process. [Manager.Reason] says what is missing and what
// to do about it.
//
// Open also removes what dead owners left beside our directory: it kills what
// is still in their leaves, and nothing else. An owner is dead when its pid is
// gone or belongs to a process that started at another time; owners of other
// pid namespaces are left alone, since their ids mean nothing here. Leftovers
// in a cgroup that the next Open doesn't start from are out of its sight.
//
// # Attaching
//
// A child joins a leaf by writing "0" to each of [Leaf.AttachFDs], before it
// execs and, where it enters a cgroup namespace, before it does that. Since
// kernel 5.16 the right to move is that of the one who opened the descriptor;
// on older ones the child attaches before it changes its ids. A child that
// could join only some of them must be dead before Release.
//
// # Out of memory
//
// Version 2 kills the whole leaf (memory.oom.group, kernel 4.19). Version 1
// kills one process, the largest. Either way OOMKills rises (version 1:
// oom_kill in memory.oom_control, kernel 4.13): the caller looks at
// [Leaf.OOMKills], one read, when its program ends and at its watcher's ticks,
// and on version 1 calls [Leaf.Kill] for the rest. Swap doesn't stretch a
// limit: memory.swap.max is 0; in version 1 memory.swappiness is 0 and
// memory.memsw.limit_in_bytes at most a huge page above the limit.
//
// # Reuse
//
// A leaf goes back to the pool if nothing runs in it and little is still
// charged to it (page cache and kernel objects outlive the process that
// touched them). Counters start again from zero at Acquire because their old
// values are subtracted; the memory peak is reset, which version 1 always
// could and version 2 can since kernel 6.12. On version 2 before that every
// leaf is used once: Release replaces it, and Acquire still finds one ready.
// Caches are not forced out of a leaf to keep it: the next program would have
// to read the same libraries from disk again. Such a leaf is replaced, which
// leaves the cache in memory, charged to our parent.
package cgroup
