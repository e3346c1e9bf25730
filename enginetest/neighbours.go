package enginetest

import (
	_ "embed"
	"encoding/json"
	"io"
	"strings"
	"sync"

	"cupel.dev/cupel"
)

// holder takes hold of everything that two programs on one machine could share
// and, when told, says what it noticed. prober looks for it from a neighbour.
//
//go:embed testdata/holder.py
var holder string

//go:embed testdata/prober.py
var prober string

func neighbourRequirements() []requirement {
	all := []requirement{
		{"files of a neighbour are not seen", neighbourFiles},
		{"processes of a neighbour are not seen", neighbourProcesses},
		{"a neighbour is another host to a shell", neighbourShell},
	}
	for _, channel := range []struct{ name, requirement string }{
		{"abstract", "abstract sockets do not cross"},
		{"shm", "System V shared memory does not cross"},
		{"msg", "System V message queues do not cross"},
		{"sem", "System V semaphores do not cross"},
		{"mq", "POSIX message queues do not cross"},
		{"port", "ports of loopback do not cross"},
		{"devshm", "/dev/shm does not cross"},
		{"hostname", "the host name does not cross"},
		{"flock", "flock on a file of the image does not cross"},
		{"posix_lock", "record locks on a file of the image do not cross"},
		{"locks", "/proc/locks shows no lock of a neighbour"},
		{"inotify", "inotify on a file of the image does not cross"},
	} {
		all = append(all, requirement{channel.requirement, func(c *check) { c.channel(channel.name) }})
	}
	return all
}

func neighbourFiles(c *check) {
	a, b := c.sandbox(inWork()), c.sandbox(inWork())
	c.sh(a, `for d in /work /tmp /dev/shm "$HOME"; do echo x > "$d/mine"; done`).ok(c)
	c.sh(b, `for d in /work /tmp /dev/shm "$HOME"; do ls -A "$d"; done`).ok(c).says(c, "")
}

// holding runs a program in sb until release is called; it begins when the
// program has printed a first line. release returns the rest of its output.
func (c *check) holding(sb cupel.Sandbox, cmd cupel.Cmd) (release func() string) {
	c.Helper()
	stdinR, stdinW := io.Pipe()
	outR, outW := io.Pipe()
	cmd.Stdin, cmd.Stdout = stdinR, outW
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.exec(sb, cmd).ok(c)
		outW.Close()
	}()
	ready := make(chan struct{})
	rest := make(chan string, 1)
	go func() {
		var all strings.Builder
		var once sync.Once
		buf := make([]byte, 4096)
		for {
			n, err := outR.Read(buf)
			all.Write(buf[:n])
			if strings.Contains(all.String(), "\n") {
				once.Do(func() { close(ready) })
			}
			if err != nil {
				once.Do(func() { close(ready) })
				rest <- all.String()
				return
			}
		}
	}()
	release = sync.OnceValue(func() string {
		stdinW.Close()
		<-ended
		_, after, _ := strings.Cut(<-rest, "\n")
		return after
	})
	c.Cleanup(func() { release() })
	select {
	case <-ready:
	case <-c.ctx.Done():
		c.Fatal("the holder did not start")
	}
	return release
}

func neighbourProcesses(c *check) {
	c.needOwnProc()
	a, b := c.sandbox(), c.sandbox()
	release := c.holding(a, shell("marker=cupel-neighbour; echo ready; cat >/dev/null"))
	out := c.sh(b, `cat /proc/[0-9]*/cmdline | tr '\0' '\n' | grep -c 'cupel-[n]eighbour'; :`).ok(c)
	out.says(c, "0\n")
	release()
}

// neighbourShell is what can be tried without Python: killing every number.
func neighbourShell(c *check) {
	a, b := c.sandbox(), c.sandbox()
	release := c.holding(a, shell("echo ready; cat >/dev/null; echo survived"))
	c.sh(b, "kill -9 -1; i=2; while [ $i -lt 3000 ]; do [ $i = $$ ] || kill -9 $i; i=$((i+1)); done 2>/dev/null; exit 0").ok(c)
	if rest := release(); rest != "survived\n" {
		c.Errorf("the neighbour said %q", rest)
	}
}

// crossing is what the holder and the prober found, by channel: "crossed",
// "apart" or "unavailable". Both run once in two sandboxes and, as a control,
// once in one and the same.
type crossing struct{ between, within map[string]string }

func (s *suite) crossing(c *check) crossing {
	s.crossed.Do(func() {
		a, b := c.sandbox(), c.sandbox()
		s.found = crossing{between: c.cross(a, b), within: c.cross(b, b)}
	})
	return s.found
}

// channel requires that nothing crossed. A probe that sees nothing within one
// sandbox either would prove nothing, but for what is refused altogether.
func (c *check) channel(name string) {
	c.needPython()
	found := c.suite.crossing(c)
	if got := found.between[name]; got != "apart" && got != "unavailable" {
		c.Errorf("%s between two sandboxes: %q", name, got)
	}
	if got := found.within[name]; got != "crossed" && got != "unavailable" {
		c.Errorf("%s within one sandbox: %q; the probe sees nothing", name, got)
	}
}

// cross holds everything in a and looks for it in b.
func (c *check) cross(a, b cupel.Sandbox) map[string]string {
	c.Helper()
	release := c.holding(a, python(holder))
	out := c.python(b, prober).ok(c)
	noticed := release()
	var seen, held map[string]string
	if err := json.Unmarshal([]byte(out.stdout), &seen); err != nil {
		c.Errorf("prober: %v, %s", err, out)
	}
	if err := json.Unmarshal([]byte(noticed), &held); err != nil {
		c.Errorf("holder: %v, %q", err, noticed)
	}
	for name, outcome := range held {
		if outcome != "apart" {
			seen[name] = outcome
		}
	}
	return seen
}
