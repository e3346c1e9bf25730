package enginetest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cupel.dev/cupel"
)

func stdioRequirements() []requirement {
	return []requirement{
		{"every byte passes unchanged", everyByte},
		{"64 MiB pass unchanged", large},
		{"/dev/stdin, /dev/stdout and /dev/stderr can be opened", devStd},
		{"without stdin it is empty", noStdin},
		{"stdin may be a file", fileStdin},
		{"stdin that nobody reads delays nothing", unreadStdin},
		{"stdin that never comes delays nothing", silentStdin},
		{"a program may close stdin early", earlyClose},
		{"stdin that fails is no fault of the program", failingStdin},
		{"stdout and stderr are separate", separate},
		{"output arrives while the program runs", streaming},
		{"output without a writer is dropped", noWriter},
		{"a writer that fails is no fault of the program", failingWriter},
		{"nothing is written after Exec returns", quietAfterwards},
		{"output just before the end is complete", lastOutput},
	}
}

func everyByte(c *check) {
	in := make([]byte, 3*256)
	for i := range in {
		in[i] = byte(i)
	}
	cmd := shell("cat > f; cat f; cat f >&2")
	cmd.Stdin = bytes.NewReader(in)
	out := c.exec(c.sandbox(), cmd).ok(c)
	if out.stdout != string(in) || out.stderr != string(in) {
		c.Errorf("the bytes 0 to 255 came back as %q and %q", clip(out.stdout), clip(out.stderr))
	}
}

func devStd(c *check) {
	cmd := shell("cat /dev/stdin; echo out > /dev/stdout; echo err > /dev/stderr")
	cmd.Stdin = strings.NewReader("in ")
	out := c.exec(c.sandbox(), cmd).ok(c).says(c, "in out\n")
	if out.stderr != "err\n" {
		c.Errorf("stderr = %q", out.stderr)
	}
}

func large(c *check) {
	const size = 64 << 20
	sb := c.sandbox(limits(cupel.Limits{Output: 128 * cupel.MiB, Time: 30 * time.Second, CPUTime: 30 * time.Second}))
	sent := &summing{hash: sha256.New()}
	got := &summing{hash: sha256.New()}
	source := io.LimitReader(rand.New(rand.NewSource(1)), size)
	out := c.exec(sb, cupel.Cmd{Args: []string{"cat"}, Stdin: io.TeeReader(source, sent), Stdout: got}).ok(c)
	changed := !bytes.Equal(got.hash.Sum(nil), sent.hash.Sum(nil))
	if got.n != size || changed || out.StdoutTruncated {
		c.Errorf("sent %d bytes, %d came back, changed: %v, truncated: %v", sent.n, got.n, changed, out.StdoutTruncated)
	}
}

type summing struct {
	hash hash.Hash
	n    int64
}

func (s *summing) Write(p []byte) (int, error) {
	s.n += int64(len(p))
	return s.hash.Write(p)
}

func noStdin(c *check) {
	c.exec(c.sandbox(), cupel.Cmd{Args: []string{"wc", "-c"}}).ok(c).prompt(c).says(c, "0\n")
}

func fileStdin(c *check) {
	name := filepath.Join(c.TempDir(), "in")
	if err := os.WriteFile(name, []byte("skipped read by the program"), 0o600); err != nil {
		c.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		c.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Seek(8, io.SeekStart); err != nil {
		c.Fatal(err)
	}
	c.exec(c.sandbox(), cupel.Cmd{Args: []string{"cat"}, Stdin: f}).ok(c).says(c, "read by the program")
}

type endless struct{ read atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	e.read.Add(int64(len(p)))
	return len(p), nil
}

func unreadStdin(c *check) {
	var in endless
	cmd := shell("exit 4")
	cmd.Stdin = &in
	c.exec(c.sandbox(), cmd).exits(c, 4).prompt(c)
	if n := in.read.Load(); n > 64<<20 {
		c.Errorf("%d bytes were read for a program that reads none", n)
	}
}

func silentStdin(c *check) {
	r, w := io.Pipe()
	defer w.Close()
	cmd := shell("exit 4")
	cmd.Stdin = r
	c.exec(c.sandbox(), cmd).exits(c, 4).prompt(c)
}

func earlyClose(c *check) {
	sb := c.sandbox()
	cmd := shell("exec <&-; sleep 0.1; echo still here")
	cmd.Stdin = &endless{}
	c.exec(sb, cmd).ok(c).says(c, "still here\n")
	cmd = shell("head -c 5 >/dev/null; exit 6")
	cmd.Stdin = &endless{}
	c.exec(sb, cmd).exits(c, 6).prompt(c)
}

func failingStdin(c *check) {
	cmd := shell("cat")
	cmd.Stdin = io.MultiReader(strings.NewReader("some"), broken{})
	out := c.try(c.sandbox(), cmd)
	if out.err == nil && (out.Status != cupel.StatusOK || out.stdout != "some") {
		c.Errorf("want the program to see an end, or an error: %s", out)
	}
}

type broken struct{}

var errBroken = errors.New("broken on purpose")

func (broken) Read([]byte) (int, error)  { return 0, errBroken }
func (broken) Write([]byte) (int, error) { return 0, errBroken }

func separate(c *check) {
	out := c.sh(c.sandbox(), "echo out; echo err >&2; echo out2").ok(c).says(c, "out\nout2\n")
	if out.stderr != "err\n" {
		c.Errorf("stderr = %q", out.stderr)
	}
}

// streaming sends the answer only after the question was seen.
func streaming(c *check) {
	r, w := io.Pipe()
	defer w.Close()
	asked := make(chan struct{})
	var once sync.Once
	var got bytes.Buffer
	cmd := shell(`echo question; read answer; echo "got $answer"`)
	cmd.Stdin = r
	cmd.Stdout = writerFunc(func(p []byte) (int, error) {
		once.Do(func() { close(asked) })
		return got.Write(p)
	})
	go func() {
		select {
		case <-asked:
			io.WriteString(w, "answer\n")
		case <-c.ctx.Done():
		}
	}()
	c.exec(c.sandbox(), cmd).ok(c)
	if got.String() != "question\ngot answer\n" {
		c.Errorf("stdout = %q", got.String())
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func noWriter(c *check) {
	res, err := c.sandbox().Exec(c.ctx, shell("head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; exit 3"))
	if err != nil || res.ExitCode != 3 {
		c.Errorf("Exec = %+v, %v", res, err)
	}
}

func failingWriter(c *check) {
	cmd := shell("head -c 3000000 /dev/zero; head -c 100 /dev/zero >&2; exit 3")
	cmd.Stdout = broken{}
	out := c.exec(c.sandbox(), cmd).exits(c, 3)
	if len(out.stderr) != 100 {
		c.Errorf("%d bytes of stderr, want 100: the other stream is not concerned", len(out.stderr))
	}
}

func quietAfterwards(c *check) {
	var returned, late atomic.Bool
	cmd := shell("(while :; do echo noise; sleep 0.01; done) & sleep 0.1; exit 0")
	cmd.Stdout = writerFunc(func(p []byte) (int, error) {
		if returned.Load() {
			late.Store(true)
		}
		return len(p), nil
	})
	_, err := c.sandbox().Exec(c.ctx, cmd)
	returned.Store(true)
	if err != nil {
		c.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	if late.Load() {
		c.Error("stdout was written after Exec returned")
	}
}

// lastOutput would lose bytes if the pipe were dropped with the program.
func lastOutput(c *check) {
	sb := c.sandbox()
	for range 20 {
		out := c.sh(sb, "head -c 60000 /dev/zero; head -c 60000 /dev/zero >&2; kill -9 $$")
		if len(out.stdout) != 60000 || len(out.stderr) != 60000 {
			c.Fatalf("%d and %d bytes arrived, want 60000 each", len(out.stdout), len(out.stderr))
		}
	}
}
