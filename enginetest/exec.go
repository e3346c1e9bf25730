package enginetest

import (
	"fmt"
	"slices"
	"strings"

	"cupel.dev/cupel"
)

func execRequirements() []requirement {
	return []requirement{
		{"every exit code is the program's own", exitCodes},
		{"a signal has its name", signalNames},
		{"a program that is not there exits 127", notFound},
		{"a program that can't be executed exits 126", notExecutable},
		{"arguments arrive as they are", arguments},
		{"the environment is clean", cleanEnvironment},
		{"the Cmd's environment wins over the Spec's", environmentOrder},
		{"a program starts in the Spec's or the Cmd's directory", directories},
		{"HOME, TMPDIR and the work directory are private, empty and writable", privatePlaces},
		{"umask is 022", umask},
		{"a program runs as the user that is asked for", users},
		{"a program without a slash is found in PATH", pathLookup},
		{"files live from one Exec to the next", filesPersist},
		{"signals start with their default action and unblocked", signalState},
		{"an invalid Cmd is refused", invalidCmd},
		{"an invalid or impossible Spec is refused", invalidSpec},
	}
}

func exitCodes(c *check) {
	sb := c.sandbox()
	for _, code := range []int{0, 1, 2, 3, 42, 120, 124, 125, 126, 127, 128, 129, 130, 137, 139, 143, 159, 200, 254, 255} {
		c.sh(sb, fmt.Sprintf("exit %d", code)).exits(c, code)
	}
}

func signalNames(c *check) {
	sb := c.sandbox()
	for _, name := range []string{
		"HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "SYS",
	} {
		out := c.sh(sb, "kill -s "+name+" $$; sleep 5").is(c, cupel.StatusSignaled)
		if out.Signal != "SIG"+name || out.ExitCode != -1 || len(out.LimitsHit) != 0 {
			c.Errorf("kill -s %s gave %s", name, out)
		}
	}
}

func notFound(c *check) {
	sb := c.sandbox()
	for _, prog := range []string{"/no/such/program", "no-such-program-anywhere", "./none"} {
		c.exec(sb, cupel.Cmd{Args: []string{prog}}).exits(c, 127)
	}
}

func notExecutable(c *check) {
	sb := c.sandbox()
	c.sh(sb, "echo 'echo hi' > plain; chmod 644 plain; mkdir d").ok(c)
	for _, prog := range []string{"./plain", "./d", "/"} {
		c.exec(sb, cupel.Cmd{Args: []string{prog}}).exits(c, 126)
	}
}

func arguments(c *check) {
	sb := c.sandbox()
	args := []string{
		"plain", "", "two words", "a\nb", `"quoted" 'too'`, "$HOME", "`id`", "$(id)", "; exit 9", "-rf", "--", "*", `\`, "\x01\x7f",
		"\u00fcn\u00ef", "\xff\xfe", strings.Repeat("long", 5000),
	}
	out := c.exec(sb, cupel.Cmd{Args: append([]string{"/bin/sh", "-c", `for a; do printf '<%s>' "$a"; done`, "sh"}, args...)}).ok(c)
	out.says(c, "<"+strings.Join(args, "><")+">")
}

func cleanEnvironment(c *check) {
	c.Setenv("CUPEL_ENGINETEST_SECRET", "of the host")
	sb := c.sandbox(cupel.Spec{Env: map[string]string{"ADDED": "by the spec"}})
	env := environ(c.exec(sb, cupel.Cmd{Args: []string{"env"}, Env: map[string]string{"MORE": "by=the cmd"}}).ok(c))
	var names []string
	for name := range env {
		names = append(names, name)
	}
	slices.Sort(names)
	if want := []string{"ADDED", "HOME", "LANG", "MORE", "PATH", "TMPDIR"}; !slices.Equal(names, want) {
		c.Errorf("the environment has %v, want %v", names, want)
	}
	if env["LANG"] != "C.UTF-8" || env["ADDED"] != "by the spec" || env["MORE"] != "by=the cmd" {
		c.Errorf("environment = %v", env)
	}
}

// environ reads the output of env.
func environ(out outcome) map[string]string {
	env := map[string]string{}
	for _, line := range out.lines() {
		name, value, _ := strings.Cut(line, "=")
		env[name] = value
	}
	return env
}

func environmentOrder(c *check) {
	sb := c.sandbox(cupel.Spec{Env: map[string]string{"A": "spec", "B": "spec", "LANG": "C"}})
	cmd := cupel.Cmd{Args: []string{"env"}, Env: map[string]string{"A": "cmd", "EMPTY": ""}}
	env := environ(c.exec(sb, cmd).ok(c))
	if env["A"] != "cmd" || env["B"] != "spec" || env["LANG"] != "C" {
		c.Errorf("environment = %v", env)
	}
	if v, there := env["EMPTY"]; !there || v != "" {
		c.Errorf("an empty value is a value: %v", env)
	}
}

func directories(c *check) {
	sb := c.sandbox(cupel.Spec{Dir: "/some/place"})
	c.sh(sb, "pwd; mkdir sub; touch f").ok(c).says(c, "/some/place\n")
	cmd := shell("pwd")
	for _, dir := range []string{"/some/place/sub", "/tmp", "/"} {
		cmd.Dir = dir
		c.exec(sb, cmd).ok(c).says(c, dir+"\n")
	}
}

func privatePlaces(c *check) {
	out := c.sh(c.sandbox(), `for d in "$HOME" "$TMPDIR" /tmp "$PWD" /dev/shm; do
		[ -d "$d" ] || echo "$d is no directory"
		case "$HOME$TMPDIR" in *"$d"/*) ;; *) [ -z "$(ls -A "$d")" ] || echo "$d is not empty: $(ls -A "$d")";; esac
		echo x > "$d/file" && mkdir "$d/dir" && mv "$d/file" "$d/dir/" && [ "$(cat "$d/dir/file")" = x ] && rm -r "$d/dir" || echo "$d does not work"
	done; [ -n "$HOME" ] && [ -n "$TMPDIR" ] && echo end`)
	out.ok(c).says(c, "end\n")
}

func umask(c *check) {
	c.sh(c.sandbox(), "umask; touch f; mkdir d; stat -c %a f d").ok(c).says(c, "0022\n644\n755\n")
}

func users(c *check) {
	sb := c.sandbox()
	c.sh(sb, "id -u; id -g").ok(c).says(c, "0\n0\n")
	for _, user := range []string{"1000:1001", "7"} {
		cmd := shell("id -u; id -g; id -G")
		cmd.User = user
		out := c.try(sb, cmd)
		if cupel.KindOf(out.err) == cupel.Unsupported {
			c.Skipf("the engine says: %v", out.err)
		}
		if out.err != nil {
			c.Fatal(out.err)
		}
		u, g, _ := strings.Cut(user, ":")
		if g == "" {
			g = u
		}
		out.ok(c).says(c, u+"\n"+g+"\n"+g+"\n")
	}
	own := c.sandbox(cupel.Spec{User: "1000:1001"})
	c.sh(own, `id -u; touch mine "$HOME/mine" /tmp/mine && echo made`).ok(c).says(c, "1000\nmade\n")
}

func pathLookup(c *check) {
	sb := c.sandbox(cupel.Spec{Env: map[string]string{"PATH": "/work/bin:/usr/bin:/bin"}, Dir: "/work"})
	c.sh(sb, `mkdir bin; printf '#!/bin/sh\necho mine\n' > bin/greet; chmod +x bin/greet`).ok(c)
	c.exec(sb, cupel.Cmd{Args: []string{"greet"}}).ok(c).says(c, "mine\n")
}

func filesPersist(c *check) {
	sb := c.sandbox()
	c.sh(sb, "echo one > /tmp/f; echo two > f").ok(c)
	c.sh(sb, "cat /tmp/f f").ok(c).says(c, "one\ntwo\n")
}

func signalState(c *check) {
	out := c.exec(c.sandbox(), cupel.Cmd{Args: []string{"cat", "/proc/self/status"}}).ok(c)
	for _, line := range out.lines() {
		if f := strings.Fields(line); strings.HasPrefix(line, "Sig") && f[0] != "SigQ:" && strings.Trim(f[1], "0") != "" {
			c.Errorf("a program starts with %s", line)
		}
	}
}

func invalidCmd(c *check) {
	sb := c.sandbox(limits(cupel.Limits{Processes: 32}))
	touch := []string{"touch", "ran"}
	for name, cmd := range map[string]cupel.Cmd{
		"no arguments":     {},
		"an empty program": {Args: []string{""}},
		"a NUL":            {Args: []string{"touch", "ran\x00b"}},
		"a bad name":       {Args: touch, Env: map[string]string{"A=B": "x"}},
		"a relative dir":   {Args: touch, Dir: "here"},
		"a named user":     {Args: touch, User: "root"},
		"a negative limit": {Args: touch, Limits: cupel.Limits{Processes: -1}},
		"a process above":  {Args: touch, Limits: cupel.Limits{Processes: 33}},
		"memory above":     {Args: touch, Limits: cupel.Limits{Memory: cupel.TiB}},
		"time above":       {Args: touch, Limits: cupel.Limits{Time: cupel.DefaultLimits().Time + 1}},
		"output above":     {Args: touch, Limits: cupel.Limits{Output: cupel.GiB}},
		"files above":      {Args: touch, Limits: cupel.Limits{Files: 1 << 20}},
	} {
		if out := c.try(sb, cmd); cupel.KindOf(out.err) != cupel.Invalid {
			c.Errorf("%s: error = %v, want kind invalid", name, out.err)
		}
	}
	c.sh(sb, "ls").ok(c).says(c, "")
}

func invalidSpec(c *check) {
	refused := []cupel.Kind{cupel.Invalid}
	absent := []cupel.Kind{cupel.Invalid, cupel.NotFound, cupel.Unsupported}
	for name, tt := range map[string]struct {
		spec  cupel.Spec
		kinds []cupel.Kind
	}{
		"negative limit":  {limits(cupel.Limits{Memory: -1}), refused},
		"absurd limit":    {limits(cupel.Limits{Memory: 1 << 60}), refused},
		"relative dir":    {cupel.Spec{Dir: "here"}, refused},
		"unknown network": {cupel.Spec{Network: "moon"}, refused},
		"missing image":   {cupel.Spec{Image: "dir:/no/such/directory"}, absent},
		"unknown image":   {cupel.Spec{Image: "no such: kind"}, absent},
		"missing mount":   {cupel.Spec{Mounts: []cupel.Mount{{Source: "/no/such/directory", Target: "/mnt/x"}}}, absent},
	} {
		sb, err := c.suite.engine.Create(c.ctx, c.spec(tt.spec))
		if !slices.Contains(tt.kinds, cupel.KindOf(err)) {
			c.Errorf("%s: error = %v, want a kind of %v", name, err, tt.kinds)
		}
		if sb != nil && err != nil {
			c.Errorf("%s: a failed Create returned a sandbox", name)
		}
		if err == nil {
			sb.Close()
		}
	}
}
