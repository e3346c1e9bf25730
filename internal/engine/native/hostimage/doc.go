// Package hostimage plans the image called "host": this machine's own
// toolchains, shown read-only, with an /etc that is ours.
//
// Nothing of the host is shown but (1) the system trees, /usr and the like,
// (2) the real prefixes of the interpreters that PATH leads to, even where they
// lie below a home directory, and (3) a skeleton: a small directory that we make
// ourselves and that holds the root's own directories and links, the mount
// points, and copies of the few files of /etc that programs of /usr need. Never
// a home directory, never an account, never a key.
//
// Version managers put shims in PATH: scripts or proxies that choose the real
// interpreter at each start, from files that the sandbox does not show. A shim
// is asked once which program it stands for; the answer is kept in the cache
// directory with a stamp of every file that it depends on, so that a second
// [New] starts no process and only compares stamps.
//
// Which interpreter a shim stands for may depend on the working directory
// (.python-version, rust-toolchain.toml). They are asked in "/", so that a plan
// is a property of the machine and the environment, not of where one stands;
// PYENV_VERSION, RUSTUP_TOOLCHAIN and their like are honoured.
//
// The cache directory holds, below "host", plan-KEY.json (KEY is a digest of
// what was asked for) and skeleton-DIGEST (DIGEST is of what is in it). Both
// are made under another name and renamed, and never changed afterwards.
package hostimage
