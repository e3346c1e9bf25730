// Package e2e runs the built cupel and the compiled test binaries of its
// packages where users run them: as a plain user, in a container of a real
// Docker daemon that is set up like a pod, and on an older kernel with version
// 2 cgroups in a small virtual machine. Its tests also kill cupel and look at
// what is left. The server is tried with the real clients, ms-enclave's and
// EvalScope, under load, beside the original on a real Docker daemon, and with
// what no client should send.
//
// The tests of another place appear as subtests here, so that each of them is
// counted and a skip needs a reason like any other. skips.txt says which test
// covers one that a place can't run; scripts/test reads it.
//
// What takes long to make (a Debian root file system, a kernel, environments
// with the Python packages that testdata/python lists) is kept in
// $CUPEL_E2E_CACHE, by default below the user's cache directory.
package e2e
