package remote

import (
	_ "embed"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"cupel.dev/cupel"
)

// The scripts; each runs after common.sh.
var (
	//go:embed sh/common.sh
	commonScript string
	//go:embed sh/run.sh
	runScript string
	//go:embed sh/pack.sh
	packScript string
	//go:embed sh/fetch.sh
	fetchScript string
	//go:embed sh/tidy.sh
	tidyScript string
)

// inlineBlocks is how much of a file comes with a frame, partBlocks how much
// a fetch brings, in blocks of 64 KiB; common.sh knows the first number. A
// part in Base64 is below what any server keeps of a tool's output.
const (
	blockSize    = 64 << 10
	inlineBlocks = 16
	partBlocks   = 32
)

// call is one call of a script.
type call struct {
	token string
	dir   string // of its own, in the sandbox
	tag   uint32
}

// runDirs is where calls have their directories, and the name that they begin
// with.
const runDirs, runDirPrefix = "/tmp", ".cupel-"

func newCall() call {
	token := random()
	// Tags are numbers of KiB far above any memory, and below what shells
	// take.
	return call{token: token, dir: runDirs + "/" + runDirPrefix + token, tag: 1<<30 | rand.Uint32N(1<<30)}
}

// command is the shell's arguments for a script with settings before it.
func (c call) command(settings, script string) []string {
	own := fmt.Sprintf("d=%s token=%s tag=%d\n", c.dir, c.token, c.tag)
	return []string{"/bin/sh", "-c", own + commonScript + settings + script, "cupel"}
}

// runSettings are what run.sh reads: the limits, and the program with its
// arguments and environment as a function.
func runSettings(cmd cupel.Cmd, spec cupel.Spec, l cupel.Limits) string {
	var b strings.Builder
	dir := cmd.Dir
	if dir == "" {
		dir = spec.Dir
	}
	sectors := ""
	if l.FileSize > 0 {
		sectors = fmt.Sprint(int64(l.FileSize / sector))
	}
	const cpuGrace = 2 // seconds; the script's own watch is finer and comes first
	fmt.Fprintf(&b, "keep=%d rest=%d wall=%d cpu=%d seconds=%d files=%d sectors=%s dir=%s\n",
		l.Output+1, l.Output*(cupel.OutputFlood-1), centiseconds(l.Time), centiseconds(l.CPUTime),
		(l.CPUTime+time.Second-1)/time.Second+cpuGrace, l.Files, sectors, quote(dir))
	env := maps.Clone(spec.Env)
	if env == nil {
		env = map[string]string{}
	}
	maps.Copy(env, cmd.Env)
	b.WriteString("launch() {\nexec $session env -i $reset")
	for _, d := range []struct{ name, value string }{
		{"PATH", `"$path"`}, {"HOME", `"$home"`}, {"LANG", "C.UTF-8"}, {"TMPDIR", "/tmp"},
	} {
		if _, own := env[d.name]; !own {
			b.WriteString(" " + d.name + "=" + d.value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		b.WriteString(" " + quote(name+"="+env[name]))
	}
	if strings.Contains(cmd.Args[0], "=") {
		// env would take it for a variable.
		b.WriteString(` /bin/sh -c 'unset PWD; exec "$0" "$@"'`)
	}
	for _, a := range cmd.Args {
		b.WriteString(" " + quote(a))
	}
	b.WriteString("\n}\n")
	return b.String()
}

func centiseconds(d time.Duration) int64 {
	const unit = 10 * time.Millisecond
	return int64((d + unit - 1) / unit)
}

// quote makes one word of s for a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
