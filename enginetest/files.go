package enginetest

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cupel.dev/cupel"
)

func fileRequirements() []requirement {
	return []requirement{
		{"what is put is there", putIsThere},
		{"what was put can be changed and removed", putIsOwned},
		{"what is put comes back the same", roundTrip},
		{"one file comes back under its name", getFile},
		{"a later file replaces an earlier one", putReplaces},
		{"64 MiB come back the same", largeFile},
		{"what is not there is kind not_found", getNothing},
		{"entries that can't be made are refused", refusedEntries},
		{"an archive that is none is refused", badArchive},
		{"Put does not write over the disk limit", putOverLimit},
		{"a planted link does not lead Put out", putThroughLinks},
		{"a link in the archive does not lead Put out", putOwnLinks},
		{"a planted link does not lead Get out", getThroughLinks},
		{"links that change while Put works don't lead it out", racingLinks},
		{"a FIFO in the way does not hang", fifo},
		{"special files are left out of Get", specialFiles},
		{"/proc gives nothing of the host to Get", getProc},
	}
}

func putIsThere(c *check) {
	sb := c.sandbox(inWork())
	c.put(sb, "/work", file("a.txt", "one\n"), entry{name: "sub/", kind: tar.TypeDir, mode: 0o755},
		file("sub/deep/er/b.txt", "two\n"), entry{name: "run.sh", body: "echo ran\n", kind: tar.TypeReg, mode: 0o755},
		symlink("link", "a.txt"))
	c.put(sb, "/work/new/dir", file("c.txt", "three\n"))
	c.put(sb, "/tmp", file("d.txt", "four\n"))
	c.sh(sb, "cat a.txt sub/deep/er/b.txt link new/dir/c.txt /tmp/d.txt && readlink link && stat -c %a a.txt run.sh sub && sh ./run.sh").
		ok(c).says(c, "one\ntwo\none\nthree\nfour\na.txt\n644\n755\n755\nran\n")
}

func putIsOwned(c *check) {
	sb := c.sandbox(inWork())
	c.put(sb, "/work", file("f", "x\n"), file("d/g", "y\n"))
	c.sh(sb, "echo more >> f && echo more > d/h && rm f && rm -r d && ls").ok(c).says(c, "")
}

func roundTrip(c *check) {
	sb := c.sandbox(inWork())
	odd := "odd \"name\"\n\u00fc"
	c.put(sb, "/work/tree", file("f", "content"), entry{name: "x", body: "#!", kind: tar.TypeReg, mode: 0o750},
		entry{name: "empty/", kind: tar.TypeDir, mode: 0o700}, file("a/b/c/d", strings.Repeat("x", 10000)),
		symlink("l", "/etc/passwd"), symlink("loop", "."), file(odd, "odd"), file(strings.Repeat("n", 200), "long"))
	got := c.get(sb, "/work/tree")
	want := map[string]entry{
		"tree":                             {kind: tar.TypeDir, mode: 0o755},
		"tree/f":                           {kind: tar.TypeReg, mode: 0o644, body: "content"},
		"tree/x":                           {kind: tar.TypeReg, mode: 0o750, body: "#!"},
		"tree/empty":                       {kind: tar.TypeDir, mode: 0o700},
		"tree/a":                           {kind: tar.TypeDir, mode: 0o755},
		"tree/a/b":                         {kind: tar.TypeDir, mode: 0o755},
		"tree/a/b/c":                       {kind: tar.TypeDir, mode: 0o755},
		"tree/a/b/c/d":                     {kind: tar.TypeReg, mode: 0o644, body: strings.Repeat("x", 10000)},
		"tree/l":                           {kind: tar.TypeSymlink, mode: 0o777, link: "/etc/passwd"},
		"tree/loop":                        {kind: tar.TypeSymlink, mode: 0o777, link: "."},
		"tree/" + odd:                      {kind: tar.TypeReg, mode: 0o644, body: "odd"},
		"tree/" + strings.Repeat("n", 200): {kind: tar.TypeReg, mode: 0o644, body: "long"},
	}
	for name, w := range want {
		g, there := got[name]
		g.name = ""
		if !there || g != w {
			c.Errorf("%.60q came back as %.200q (there: %v), want %.200q", name, fmt.Sprint(g), there, fmt.Sprint(w))
		}
	}
	if len(got) != len(want) {
		c.Errorf("%d entries came back, want %d", len(got), len(want))
	}
}

func getFile(c *check) {
	sb := c.sandbox(inWork())
	c.sh(sb, "mkdir d; echo hello > d/f").ok(c)
	got := c.get(sb, "/work/d/f")
	if len(got) != 1 || got["f"].body != "hello\n" || got["f"].kind != tar.TypeReg {
		c.Errorf("got %v", got)
	}
}

func putReplaces(c *check) {
	sb := c.sandbox(inWork())
	c.put(sb, "/work", file("f", "a longer first version"))
	c.put(sb, "/work", file("f", "second"), file("g", "1"), file("g", "2"))
	c.sh(sb, "cat f g; [ -f /etc/passwd ] && ln -s /etc/passwd l").ok(c).says(c, "second2")
	c.put(sb, "/work", file("l", "mine"))
	c.sh(sb, "cat l; [ -L l ] && echo link; head -c 4 /etc/passwd").ok(c).says(c, "mineroot")
}

func largeFile(c *check) {
	sb := c.sandbox(inWork())
	body := make([]byte, 64<<20)
	rand.Read(body)
	c.put(sb, "/work", entry{name: "big", body: string(body), kind: tar.TypeReg, mode: 0o644})
	r, err := sb.Get(c.ctx, "/work/big")
	if err != nil {
		c.Fatal(err)
	}
	defer r.Close()
	tr := tar.NewReader(r)
	if _, err := tr.Next(); err != nil {
		c.Fatal(err)
	}
	got, err := io.ReadAll(tr)
	if err != nil || !bytes.Equal(got, body) {
		c.Errorf("%d bytes came back (%v), equal: %v", len(got), err, bytes.Equal(got, body))
	}
}

func getNothing(c *check) {
	sb := c.sandbox(inWork())
	for _, name := range []string{"/work/none", "/none/at/all"} {
		if _, _, err := c.tryGet(sb, name); cupel.KindOf(err) != cupel.NotFound {
			c.Errorf("get %s = %v, want kind not_found", name, err)
		}
	}
	for _, name := range []string{"relative", ""} {
		if _, _, err := c.tryGet(sb, name); err == nil {
			c.Errorf("get %q succeeded, want an error", name)
		}
	}
	for _, name := range []string{"/work/a\x00b", "/work/" + strings.Repeat("n", 300)} {
		if _, _, err := c.tryGet(sb, name); cupel.KindOf(err) != cupel.Invalid && cupel.KindOf(err) != cupel.NotFound {
			c.Errorf("get %.20q = %v, want kind invalid", name, err)
		}
		if err := sb.Put(c.Context(), name, bytes.NewReader(nil)); cupel.KindOf(err) != cupel.Invalid {
			c.Errorf("put %.20q = %v, want kind invalid", name, err)
		}
	}
}

func refusedEntries(c *check) {
	sb := c.sandbox(inWork())
	for name, e := range map[string]entry{
		"a name with ..":     file("../evil", "x"),
		"a deep name with .": file("a/../../evil", "x"),
		"a character device": {name: "null", kind: tar.TypeChar, mode: 0o666},
		"a block device":     {name: "disk", kind: tar.TypeBlock, mode: 0o666},
		"a hard link out":    {name: "hard", kind: tar.TypeLink, link: "../../../../../etc/passwd"},
	} {
		err := sb.Put(c.ctx, "/work", c.pack(e, file("later", "x")))
		if cupel.KindOf(err) != cupel.Invalid {
			c.Errorf("%s: Put = %v, want kind invalid", name, err)
		}
		c.sh(sb, "ls -A; ls /evil /tmp/evil 2>/dev/null; :").ok(c).says(c, "")
	}
}

func badArchive(c *check) {
	sb := c.sandbox(inWork())
	if err := sb.Put(c.ctx, "/work", strings.NewReader(strings.Repeat("no archive ", 1000))); cupel.KindOf(err) != cupel.Invalid {
		c.Errorf("Put = %v, want kind invalid", err)
	}
	half := io.LimitReader(c.pack(file("f", strings.Repeat("x", 5000))), 2000)
	if err := sb.Put(c.ctx, "/work", half); err == nil {
		c.Error("half an archive was taken for a whole one")
	}
	if err := sb.Put(c.ctx, "relative", c.pack(file("f", ""))); cupel.KindOf(err) != cupel.Invalid {
		c.Errorf("Put below a relative directory = %v, want kind invalid", err)
	}
	c.sh(sb, "echo usable").ok(c)
}

func putOverLimit(c *check) {
	sb := c.sandbox(inWork(), limits(cupel.Limits{Disk: 4 * cupel.MiB}))
	began := time.Now()
	err := sb.Put(c.ctx, "/work", c.pack(file("big", strings.Repeat("x", 20<<20))))
	if err == nil || time.Since(began) > promptly {
		c.Errorf("20 MiB into 4 MiB: Put = %v after %v", err, time.Since(began))
	}
}

// trap is a directory of the host that nothing of the sandbox may reach: it
// holds one file with a secret.
type trap struct{ dir, secret string }

func (c *check) trap() trap {
	c.Helper()
	raw := make([]byte, 16)
	rand.Read(raw)
	t := trap{c.TempDir(), "secret-" + hex.EncodeToString(raw)}
	if err := os.WriteFile(filepath.Join(t.dir, "secret"), []byte(t.secret), 0o644); err != nil {
		c.Fatal(err)
	}
	for dir := t.dir; dir != os.TempDir() && len(dir) > 4; dir = filepath.Dir(dir) {
		os.Chmod(dir, 0o777)
	}
	return t
}

// untouched requires that the host's directory is as it was made.
func (t trap) untouched(c *check) {
	c.Helper()
	list, err := os.ReadDir(t.dir)
	body, readErr := os.ReadFile(filepath.Join(t.dir, "secret"))
	if err != nil || readErr != nil || len(list) != 1 || string(body) != t.secret {
		c.Errorf("the host's directory was changed: %v, %q, %v %v", list, body, err, readErr)
	}
}

// out are targets of links that would lead to the host's directory, were they
// followed outside.
func (t trap) out() []string {
	up := strings.Repeat("../", 12)
	return []string{t.dir, up + t.dir[1:], "/proc/1/root" + t.dir, "/proc/self/root" + t.dir, "/proc/self/cwd/" + up + t.dir[1:]}
}

func putThroughLinks(c *check) {
	sb, t := c.sandbox(inWork()), c.trap()
	for i, target := range t.out() {
		c.exec(sb, cupel.Cmd{Args: []string{"ln", "-sfn", target, "/work/l"}}).ok(c)
		c.exec(sb, cupel.Cmd{Args: []string{"ln", "-sfn", target + "/secret", "/work/f"}}).ok(c)
		name := fmt.Sprint("evil", i)
		for dir, e := range map[string]entry{
			"/work/l":     file(name, "x"),
			"/work/l/sub": file(name, "x"),
			"/work":       file("l/"+name, "x"),
		} {
			// It may be refused or stay inside; it must not come out.
			sb.Put(c.ctx, dir, c.pack(e))
			t.untouched(c)
			c.exec(sb, cupel.Cmd{Args: []string{"ln", "-sfn", target, "/work/l"}})
		}
		sb.Put(c.ctx, "/work", c.pack(file("f", "x")))
		t.untouched(c)
		c.sh(sb, "rm -rf l f")
	}
}

func putOwnLinks(c *check) {
	sb, t := c.sandbox(inWork()), c.trap()
	for _, target := range t.out() {
		sb.Put(c.ctx, "/work", c.pack(symlink("s", target), file("s/evil", "x")))
		sb.Put(c.ctx, "/work", c.pack(symlink("q", target+"/secret"), file("q", "x")))
		sb.Put(c.ctx, "/work", c.pack(symlink("r", target), entry{name: "h", link: "r/secret", kind: tar.TypeLink}))
		sb.Put(c.ctx, "/work", c.pack(symlink("t", target), entry{name: "t/", kind: tar.TypeDir, mode: 0o700}))
		t.untouched(c)
		if out := c.sh(sb, "cat h 2>/dev/null; rm -rf s q r h t"); strings.Contains(out.stdout, t.secret) {
			c.Errorf("a hard link through %s brought the host's file in", target)
		}
	}
}

func getThroughLinks(c *check) {
	sb, t := c.sandbox(inWork()), c.trap()
	for _, target := range t.out() {
		c.exec(sb, cupel.Cmd{Args: []string{"ln", "-sfn", target, "/work/l"}}).ok(c)
		c.exec(sb, cupel.Cmd{Args: []string{"ln", "-sfn", target + "/secret", "/work/f"}}).ok(c)
		for _, name := range []string{"/work/l", "/work/l/", "/work/l/secret", "/work/f", "/work", target, target + "/secret", "/work/" + target} {
			if _, raw, _ := c.tryGet(sb, name); bytes.Contains(raw, []byte(t.secret)) {
				c.Errorf("get %s brought the host's file", name)
			}
		}
	}
	got := c.get(sb, "/work")
	if e := got["work/f"]; e.kind != tar.TypeSymlink {
		c.Errorf("a link came back as %v, want a link", e)
	}
	t.untouched(c)
}

// racingLinks lets a program swap a directory for a link all the time.
func racingLinks(c *check) {
	sb, t := c.sandbox(inWork(), limits(cupel.Limits{Time: 2 * time.Second})), c.trap()
	done := make(chan struct{})
	cmd := cupel.Cmd{Args: []string{"/bin/sh", "-c", `mkdir real; ln -s "$1" evil; echo swapping
		while :; do mv -T real d; mv -T d real; mv -T evil d; mv -T d evil; done 2>/dev/null`, "sh", t.dir}}
	cmd.Stdout = io.Discard
	go func() {
		defer close(done)
		c.exec(sb, cmd).is(c, cupel.StatusTimeLimit)
	}()
	for i := 0; ; i++ {
		select {
		case <-done:
			return
		default:
		}
		sb.Put(c.ctx, "/work/d", c.pack(file(fmt.Sprint("x", i%10), "x")))
		if _, raw, _ := c.tryGet(sb, "/work/d/secret"); bytes.Contains(raw, []byte(t.secret)) {
			c.Error("a race brought the host's file")
		}
		t.untouched(c)
		if c.Failed() {
			<-done
			return
		}
	}
}

func fifo(c *check) {
	sb := c.sandbox(inWork())
	c.sh(sb, "mkfifo f d").ok(c)
	began := time.Now()
	if _, raw, err := c.tryGet(sb, "/work/f"); err == nil && len(bytes.Trim(raw, "\x00")) > 0 {
		c.Errorf("a FIFO has a content: %q", raw)
	}
	if err := sb.Put(c.ctx, "/work", c.pack(file("f", "now a file\n"))); err != nil {
		c.Logf("Put over a FIFO: %v", err)
	} else {
		c.sh(sb, "cat < f").ok(c).says(c, "now a file\n")
	}
	sb.Put(c.ctx, "/work/d", c.pack(file("f", "x")))
	if d := time.Since(began); d > promptly {
		c.Errorf("a FIFO held Put and Get up for %v", d)
	}
	c.sh(sb, "echo usable").ok(c)
}

func specialFiles(c *check) {
	sb := c.sandbox(inWork())
	c.sh(sb, "mkdir t; mkfifo t/fifo; echo x > t/file").ok(c)
	if c.suite.noPython == "" {
		c.python(sb, "import socket; socket.socket(socket.AF_UNIX).bind('t/socket')").ok(c)
	}
	got := c.get(sb, "/work/t")
	if len(got) != 2 || got["t/file"].body != "x\n" {
		c.Errorf("got %v, want the directory and the file alone", got)
	}
}

func getProc(c *check) {
	t := c.trap()
	c.Setenv("CUPEL_ENGINETEST_SECRET", t.secret)
	sb := c.sandbox(inWork())
	for _, name := range []string{
		"/proc/self/environ", "/proc/1/environ", "/proc/self/root" + t.dir, "/proc/1/root" + t.dir + "/secret",
		"/proc/self/cwd", "/proc/self/fd/0", "/proc/thread-self/root" + t.dir, "/proc/self/task", t.dir,
	} {
		if _, raw, _ := c.tryGet(sb, name); bytes.Contains(raw, []byte(t.secret)) {
			c.Errorf("get %s brought something of the host", name)
		}
	}
}
