package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// tools are what tests use beside Go: a file or command that shows it is
// there, and Debian's package.
var tools = []struct{ shows, debian string }{
	{"python3", "python3"},
	{"/usr/share/doc/python3-venv", "python3-venv"},
	{"ip", "iproute2"},
	{"gcc", "gcc"},
	{"/usr/include/stdio.h", "libc6-dev"},
	{"g++", "g++"},
	{"node", "nodejs"},
	{"bwrap", "bubblewrap"},
	{"crun", "crun"},
	{"mmdebstrap", "mmdebstrap"},
	{"dockerd", "docker.io"},
	{"qemu-system-x86_64", "qemu-system-x86"},
}

// forbidServices keeps packages from starting their daemons: the tests start
// their own. It is the file that Debian asks before a start.
const forbidServices = "/usr/sbin/policy-rc.d"

// installPackages installs what is missing, where it can. It never fails: a
// test that lacks something is skipped and says so.
func installPackages(ctx context.Context) {
	var missing []string
	for _, t := range tools {
		if !there(t.shows) {
			missing = append(missing, t.debian)
		}
	}
	if len(missing) == 0 {
		return
	}
	list := strings.Join(missing, " ")
	if os.Geteuid() != 0 {
		fmt.Printf("not root: some tests will be skipped. To run them: apt-get install %s\n", list)
		return
	}
	if !there("apt-get") {
		fmt.Printf("no apt-get here: some tests will be skipped. They need what Debian calls %s\n", list)
		return
	}
	fmt.Println("installing", list)
	if _, err := os.Lstat(forbidServices); err != nil {
		if os.WriteFile(forbidServices, []byte("#!/bin/sh\nexit 101\n"), 0o755) == nil {
			defer os.Remove(forbidServices)
		}
	}
	for _, args := range [][]string{
		{"update", "-qq"},
		append([]string{"install", "-y", "-qq", "--no-install-recommends"}, missing...),
	} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Printf("apt-get %s: %v\n%s", args[0], err, out)
		}
	}
}

func there(what string) bool {
	if strings.HasPrefix(what, "/") {
		_, err := os.Stat(what)
		return err == nil
	}
	// Daemons are in /usr/sbin, which a plain login's PATH may lack.
	if _, err := os.Stat("/usr/sbin/" + what); err == nil {
		return true
	}
	_, err := exec.LookPath(what)
	return err == nil
}
