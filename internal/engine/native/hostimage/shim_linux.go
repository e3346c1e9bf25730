package hostimage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// shimTime bounds one shim. A first start from a cold disk takes seconds.
const shimTime = 20 * time.Second

// probe asks an interpreter where its program is: args make it print, parse
// reads what it printed.
type probe struct {
	args  []string
	parse func(name, out string) string
}

var probes = map[string]probe{
	"python":  {[]string{"-E", "-S", "-c", "import sys;print(sys.executable)"}, line},
	"python3": {[]string{"-E", "-S", "-c", "import sys;print(sys.executable)"}, line},
	"node":    {[]string{"-p", "process.execPath"}, line},
	"go":      {[]string{"env", "GOROOT"}, inBin},
	"rustc":   {[]string{"--print", "sysroot"}, inBin},
	"cargo":   {[]string{"--print", "sysroot"}, inBin}, // asked of rustc
	"java":    {[]string{"-XshowSettings:properties", "-version"}, javaHome},
	"javac":   {[]string{"-XshowSettings:properties", "-version"}, javaHome}, // asked of java
	"ruby":    {[]string{"-e", "puts RbConfig.ruby"}, line},
	"perl":    {[]string{"-e", "print $^X"}, line},
	"php":     {[]string{"-r", "echo PHP_BINARY;"}, line},
}

// askInstead names the program beside a shim that answers for it.
var askInstead = map[string]string{"cargo": "rustc", "javac": "java"}

func line(_, out string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(out), "\n")
	return strings.TrimSpace(first)
}

func inBin(name, out string) string { return filepath.Join(line(name, out), "bin", name) }

func javaHome(name, out string) string {
	for l := range strings.Lines(out) {
		if key, value, ok := strings.Cut(l, "="); ok && strings.TrimSpace(key) == "java.home" {
			return filepath.Join(strings.TrimSpace(value), "bin", name)
		}
	}
	return ""
}

// answer is what a shim stands for.
type answer struct {
	program string
	watch   []string // the files that decide it
	err     error
}

// askShims asks all shims at once, by path.
func askShims(ctx context.Context, candidates map[string][]candidate) map[string]answer {
	answers := map[string]answer{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, list := range candidates {
		for _, c := range list {
			if !c.shim {
				continue
			}
			wg.Go(func() {
				a := askShim(ctx, c)
				mu.Lock()
				answers[c.path] = a
				mu.Unlock()
			})
		}
	}
	wg.Wait()
	return answers
}

func askShim(ctx context.Context, c candidate) answer {
	p, ok := probes[c.name]
	if !ok {
		return answer{err: errors.New("no way to ask is known")}
	}
	path := c.path
	if other := askInstead[c.name]; other != "" {
		path = filepath.Join(c.dir, other)
	}
	out, err := runShim(ctx, path, p.args)
	if err != nil {
		return answer{err: err}
	}
	program := filepath.Clean(p.parse(c.name, out))
	switch fi, err := os.Stat(program); {
	case !filepath.IsAbs(program):
		return answer{err: fmt.Errorf("it printed %.80q", out)}
	case err != nil:
		return answer{err: err}
	case !fi.Mode().IsRegular() || !executable(fi):
		return answer{err: fmt.Errorf("%s is not a program for everyone", program)}
	case isScript(program):
		return answer{err: fmt.Errorf("%s is a script", program)}
	}
	return answer{program: program, watch: deciders(c)}
}

// runShim runs path in "/" and kills all that it started when time is up.
func runShim(ctx context.Context, path string, args []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, shimTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = "/"
	// A shim must answer from what is installed, never fetch anything.
	cmd.Env = append(os.Environ(), "RUSTUP_AUTO_INSTALL=0", "GOTOOLCHAIN=local", "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %.200s", err, strings.TrimSpace(stderr.String()))
	}
	if stdout.Len() == 0 {
		return stderr.String(), nil // java prints its settings there
	}
	return stdout.String(), nil
}

// deciders are the files by which version managers choose, whether there or
// not: a change of any makes the kept answer stale.
func deciders(c candidate) []string {
	home := os.Getenv("HOME")
	var out []string
	for _, d := range []struct{ env, dir, file string }{
		{"PYENV_ROOT", ".pyenv", "version"}, {"PYENV_ROOT", ".pyenv", "versions"},
		{"RUSTUP_HOME", ".rustup", "settings.toml"}, {"RUSTUP_HOME", ".rustup", "toolchains"},
		{"RBENV_ROOT", ".rbenv", "version"}, {"RBENV_ROOT", ".rbenv", "versions"},
		{"NODENV_ROOT", ".nodenv", "version"}, {"VOLTA_HOME", ".volta", "tools/user/platform.json"},
		{"", "", ".tool-versions"}, {"", ".config", "mise/config.toml"},
	} {
		root := filepath.Join(home, d.dir)
		if v := os.Getenv(d.env); d.env != "" && v != "" {
			root = v
		}
		out = append(out, filepath.Join(root, d.file))
	}
	// A pyenv that lies elsewhere keeps its choice beside its shims.
	beside := filepath.Dir(filepath.Dir(c.path))
	return append(out, filepath.Join(beside, "version"), filepath.Join(beside, "versions"))
}
