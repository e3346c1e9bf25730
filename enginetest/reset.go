package enginetest

import (
	"strings"
	"time"

	"cupel.dev/cupel"
)

func resetRequirements() []requirement {
	all := []requirement{
		{"a reset sandbox is as it was created", resetPristine},
		{"a reset removes whatever a program can leave", resetNasty},
		{"a reset gives disk and inodes back", resetDisk},
		{"a reset undoes changes of modes and owners", resetModes},
		{"a reset removes shared memory, queues and semaphores", resetIPC},
		{"a reset ends what runs", resetWhileRunning},
		{"a sandbox can be reset often", resetOften},
		{"what was put is gone after a reset", resetPut},
		{"a writable root is pristine after a reset", resetWritable},
	}
	for i, r := range all {
		all[i].run = func(c *check) {
			if _, ok := c.sandbox().(cupel.Resetter); !ok {
				c.Skip("sandboxes of this engine have no Reset")
			}
			r.run(c)
		}
	}
	return all
}

func (c *check) reset(sb cupel.Sandbox) {
	c.Helper()
	if err := sb.(cupel.Resetter).Reset(c.ctx); err != nil {
		c.Fatalf("reset: %v (hint: %s)", err, cupel.HintOf(err))
	}
}

// survey lists all that is in the places where a program can write.
const survey = `find "$PWD" "$HOME" /tmp /dev/shm /var/tmp -exec stat -c '%n %a %u %g %F' {} + 2>&1 | sort -u; ls -A / /dev; ulimit -a; id; env | sort`

func resetPristine(c *check) {
	sb := c.sandbox(inWork())
	before := c.sh(sb, survey).ok(c)
	c.sh(sb, `for d in "$PWD" "$HOME" /tmp /dev/shm; do echo canary > "$d/canary"; mkdir -p "$d/.config/deep"; ln -s / "$d/link"; mkfifo "$d/fifo"; done
		echo 'echo canary' > "$HOME/.bashrc"; echo 'echo canary' > "$HOME/.profile"; chmod 700 "$PWD"`).ok(c)
	c.reset(sb)
	after := c.sh(sb, survey).ok(c)
	if before.stdout != after.stdout {
		c.Errorf("before:\n%s\nafter:\n%s", before.stdout, after.stdout)
	}
	if strings.Contains(after.stdout, "canary") {
		c.Error("a canary is alive")
	}
}

func resetNasty(c *check) {
	sb := c.sandbox(inWork())
	c.sh(sb, `i=0; while [ $i -lt 200 ]; do mkdir d && cd d || break; i=$((i+1)); done
		cd /work; n=$(head -c 255 /dev/zero | tr '\0' n); touch "$n" "$(printf '\377\376')" "$(printf 'a\nb')"; mkdir locked; touch locked/f; chmod 0 locked
		touch /tmp/open; ( trap '' TERM; setsid sleep 50 < /tmp/open & ); chmod 0 /tmp`).ok(c)
	c.reset(sb)
	c.sh(sb, "ls -A . /tmp; touch /tmp/f f && echo works").ok(c).says(c, ".:\n\n/tmp:\nworks\n")
}

func resetDisk(c *check) {
	sb := c.sandbox(inWork(), limits(cupel.Limits{Disk: 4 * cupel.MiB, Inodes: 100}))
	for range 3 {
		c.sh(sb, "head -c 3500000 /dev/zero > f && echo full").ok(c).says(c, "full\n")
		c.reset(sb)
		c.sh(sb, "i=0; while [ $i -lt 60 ]; do : > /tmp/f$i || exit 1; i=$((i+1)); done; echo many").ok(c).says(c, "many\n")
		c.reset(sb)
	}
}

func resetModes(c *check) {
	sb := c.sandbox(inWork())
	before := c.sh(sb, `stat -c '%n %a %u %g' "$PWD" "$HOME" /tmp /dev/shm`).ok(c)
	c.sh(sb, `chmod 0 /work /tmp /dev/shm "$HOME"; chmod 1777 /work; chgrp 7 /work 2>/dev/null; :`)
	c.reset(sb)
	after := c.sh(sb, `stat -c '%n %a %u %g' "$PWD" "$HOME" /tmp /dev/shm`).ok(c)
	if before.stdout != after.stdout {
		c.Errorf("before:\n%s\nafter:\n%s", before.stdout, after.stdout)
	}
}

func resetIPC(c *check) {
	c.needPython()
	sb := c.sandbox(inWork())
	c.python(sb, ipcPrelude+`
made = [k for k, f in objects.items() if f(True)]
print("made", len(made) > 0)`).ok(c).says(c, "made True\n")
	c.reset(sb)
	c.python(sb, ipcPrelude+`
print([k for k, f in objects.items() if f(False)])`).ok(c).says(c, "[]\n")
}

// ipcPrelude has a function for each kind of object that outlives a program:
// with True it makes one, with False it looks for one.
const ipcPrelude = `
import ctypes
c = ctypes.CDLL(None, use_errno=True)
KEY = 0x43757065
def shm(make): return c.shmget(KEY, 4096 if make else 0, 0o1666 if make else 0) >= 0
def msg(make): return c.msgget(KEY, 0o1666 if make else 0) >= 0
def sem(make): return c.semget(KEY, 1 if make else 0, 0o1666 if make else 0) >= 0
def mq(make):
    try: f = c.mq_open
    except AttributeError: f = ctypes.CDLL("librt.so.1", use_errno=True).mq_open
    return f(b"/cupel-enginetest", 0o102 if make else 0o2, 0o666, None) >= 0
objects = {"shm": shm, "msg": msg, "sem": sem, "mq": mq}
`

func resetWhileRunning(c *check) {
	sb := c.sandbox(inWork(), longer())
	ended := c.sleeping(sb)
	c.reset(sb)
	select {
	case <-ended:
	case <-time.After(promptly):
		c.Error("Exec goes on after Reset")
	}
	c.sh(sb, "echo usable").ok(c).says(c, "usable\n")
}

func resetOften(c *check) {
	sb := c.sandbox(inWork())
	for range 30 {
		c.sh(sb, "[ ! -e f ] && touch f && echo fresh").ok(c).says(c, "fresh\n")
		c.reset(sb)
	}
}

func resetPut(c *check) {
	sb := c.sandbox(inWork())
	c.put(sb, "/work/d", file("f", "x"))
	c.put(sb, "/tmp", file("f", "x"))
	c.reset(sb)
	c.sh(sb, "ls -A /work /tmp").ok(c).says(c, "/tmp:\n\n/work:\n")
	c.put(sb, "/work", file("g", "again"))
	c.sh(sb, "cat g").ok(c).says(c, "again")
}

func resetWritable(c *check) {
	sb := c.sandboxOrSkip(inWork(), cupel.Spec{Writable: true})
	before := c.sh(sb, "ls -A / /etc /usr; md5sum /etc/passwd").ok(c)
	c.sh(sb, "echo evil >> /etc/passwd; touch /usr/evil /evil; rm -f /etc/group; mkdir /newdir").ok(c)
	c.reset(sb)
	if after := c.sh(sb, "ls -A / /etc /usr; md5sum /etc/passwd").ok(c); before.stdout != after.stdout {
		c.Errorf("before:\n%s\nafter:\n%s", before.stdout, after.stdout)
	}
}
