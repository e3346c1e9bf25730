//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// isolationCalls is how many programs of a pool look for what those before
// them left.
const isolationCalls = 10000

// Programs of a pool leave all they can behind: files wherever they may write,
// start-up files of shells and of Python, jobs, processes, shared memory,
// queues, keys, modes, a name, a mount. None of 10,000 ever finds any of it.
func TestPoolIsolation(t *testing.T) {
	before := lookAround(t)
	t.Cleanup(func() { before.compare(t) })
	s := startCupel(t, as(t, os.Geteuid()))
	c := &enclave{t: t, url: s.url}
	c.pool(2, `{"tools_config": ["python_executor", "shell_executor"]}`)
	shell, light, python := canary(t, "canary.sh"), canary(t, "canary-light.sh"), canary(t, "canary.py")
	scout := func(command string) string {
		r := runInPool(t, c, "shell_executor", parameters("command", command))
		return strings.TrimSpace(r.Output)
	}
	// Of the directories near the root, and those of jobs and of Python, the
	// ones that can be written to.
	dirs := strings.Fields(scout(`find / -path /proc -prune -o -path /sys -prune -o -type d -print 2>/dev/null |
		grep -E '^/[^/]*(/[^/]*)?$|/(cron|python)[^/]*$|-packages$' | head -n 200 |
		while read -r d; do (: > "$d/cupel-probe") 2>/dev/null && rm "$d/cupel-probe" && echo "$d"; done`))
	if len(dirs) == 0 {
		t.Fatal("nothing is writable")
	}
	t.Logf("canaries in %v", dirs)
	header := fmt.Sprintf("DIRS=%q\nMODES=%q\nMOUNTS=%s\nHOST=%s\n", strings.Join(dirs, " "),
		scout("stat -c %a /tmp /dev/shm | tr '\\n' ' '")+" ", scout("wc -l < /proc/self/mounts"), scout("cat /proc/sys/kernel/hostname"))

	findsWhatIsLeft(t, c, header, shell, python)
	began := time.Now()
	var next atomic.Int64
	var leaks atomic.Int64
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for n := next.Add(1); n <= isolationCalls && leaks.Load() < 10; n = next.Add(1) {
				tool := "shell_executor"
				var body string
				switch n % 8 {
				case 0:
					tool, body = "python_executor", parameters("code", fmt.Sprintf("N = %d\n%s", n, python))
				case 1:
					body = command(fmt.Sprintf("N=%d\n%s%s", n, header, shell))
				default: // those take a tenth of the time
					body = command(fmt.Sprintf("N=%d\n%s%s", n, header, light))
				}
				r := runInPool(t, c, tool, body)
				if want := fmt.Sprintf("done %d\n", n); r.Status != "success" || r.Output != want {
					leaks.Add(1)
					t.Errorf("program %d: %s, want %q: %s%s", n, r.Status, want, r.Output, r.Error)
				}
			}
		})
	}
	workers.Wait()
	t.Logf("%d programs in %v", isolationCalls, time.Since(began).Round(time.Second))
}

// findsWhatIsLeft shows that the programs would see each other: in a sandbox
// that is one caller's own, where nothing is reset, the second ones do.
func findsWhatIsLeft(t *testing.T, c *enclave, header, shell, python string) {
	t.Helper()
	box := c.create(`{"tools_config": ["python_executor", "shell_executor"]}`)
	defer c.remove(box)
	var seen string
	for n := range 2 {
		var r toolResult
		body := fmt.Sprintf(`{"sandbox_id": %q, "tool_name": "shell_executor", "parameters": %s}`, box, command(fmt.Sprintf("N=%d\n%s%s", n, header, shell)))
		c.do(http.MethodPost, executePath, body, &r)
		seen = r.Output + c.python(box, fmt.Sprintf("N = %d\n%s", n, python)).Output
	}
	for _, kind := range []string{
		"/tmp/cupel-canary", "/usr/lib/python3.11/cupel-canary", "/root/.bashrc", "/etc/passwd", "another /usr/bin/true", "no /usr/bin/head",
		"modes", "sysv shm", "a message queue", "a semaphore", "cupel_canary.py",
	} {
		if !strings.Contains(seen, kind) {
			t.Errorf("a second program in one sandbox doesn't find %q of the first\n%s", kind, clip(seen))
		}
	}
}

// command makes bash run a script, rather than the sh that a string goes to.
func command(script string) string {
	text, _ := json.Marshal(map[string]any{"command": []string{"bash", "-c", script}})
	return string(text)
}

func canary(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "enclave", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// runInPool runs a tool in a sandbox of the pool; only a refusal is the test's
// failure.
func runInPool(t *testing.T, c *enclave, tool, body string) (r toolResult) {
	t.Helper()
	res, err := c.try(http.MethodPost, "/pool/execute?tool_name="+tool, body)
	if err != nil {
		t.Error(err)
		return r
	}
	if err := json.Unmarshal(res.body, &r); err != nil || res.status != http.StatusOK {
		t.Errorf("status %d, %v: %s", res.status, err, clip(string(res.body)))
	}
	return r
}
