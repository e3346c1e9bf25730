package server

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/api"
)

// A program's verdict, output and limits arrive as they are.
func TestRun(t *testing.T) {
	c := start(t, options{}).client("")
	for _, fresh := range []bool{false, true} {
		res, err := c.Run(t.Context(), api.RunRequest{
			Language: "python", Source: "import sys\nprint(sys.stdin.read(), sys.argv[1:], open('f/x').read())\nsys.exit(3)",
			Args: []string{"a", "b c"}, Stdin: "in", Files: map[string]api.File{"f/x": api.File("file")},
			Env: map[string]string{"PYTHONUTF8": "1"}, Fresh: fresh,
		})
		if err != nil {
			t.Fatal(err)
		}
		if res.Status != cupel.StatusNonzero || res.ExitCode == nil || *res.ExitCode != 3 || res.Stdout != "in ['a', 'b c'] file\n" ||
			res.Engine != "native" || res.Isolation.Tier == "" || res.Usage.WallMS <= 0 || res.Compile != nil {
			t.Errorf("fresh %v: %+v", fresh, res)
		}
	}
}

func TestRunCommand(t *testing.T) {
	c := start(t, options{}).client("")
	res, err := c.Run(t.Context(), api.RunRequest{
		Args:        []string{"sh", "-c", "cat in.bin; cat; pwd >&2"},
		Files:       map[string]api.File{"in.bin": {0xff, 0}},
		StdinBase64: []byte{0xfe}, Dir: "/place",
	})
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := res.Output()
	if res.Status != cupel.StatusOK || !bytes.Equal(stdout, []byte{0xff, 0, 0xfe}) || string(stderr) != "/place\n" ||
		res.Stdout != "\uFFFD\x00\uFFFD" || res.StdoutBase64 == nil || res.StderrBase64 != nil {
		t.Errorf("%q %q %+v", stdout, stderr, res)
	}
}

func TestRunCompiles(t *testing.T) {
	c := start(t, options{}).client("")
	res, err := c.Run(t.Context(), api.RunRequest{Language: "c", Source: "#include <stdio.h>\nint main(void){puts(\"hi\");}"})
	if cupel.KindOf(err) == cupel.Unsupported {
		t.Skip(err, cupel.HintOf(err))
	}
	if err != nil || res.Status != cupel.StatusOK || res.Stdout != "hi\n" || res.Compile == nil || res.Compile.Status != cupel.StatusOK {
		t.Errorf("%+v, %v", res, err)
	}
	res, err = c.Run(t.Context(), api.RunRequest{Language: "c", Source: "int main(void){"})
	if err != nil || res.Status != cupel.StatusCompileError || res.ExitCode != nil || res.Compile == nil ||
		res.Compile.Status != cupel.StatusNonzero || !strings.Contains(res.Compile.Stderr, "error") {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestRunLimits(t *testing.T) {
	c := start(t, options{}).client("")
	res, err := c.Run(t.Context(), api.RunRequest{
		Args: []string{"sleep", "60"}, Limits: api.Limits{Time: api.Duration(100 * time.Millisecond)},
	})
	if err != nil || res.Status != cupel.StatusTimeLimit || res.ExitCode != nil {
		t.Errorf("%+v, %v", res, err)
	}
	res, err = c.Run(t.Context(), api.RunRequest{
		Args: []string{"sh", "-c", "head -c 5000 /dev/zero | tr '\\0' x"}, Limits: api.Limits{Output: 100},
	})
	if err != nil || len(res.Stdout) != 100 || !res.StdoutTruncated {
		t.Errorf("%+v, %v", res, err)
	}
}

// What one run leaves, the next does not find.
func TestPooledRunsShareNothing(t *testing.T) {
	c := start(t, options{}).client("")
	for range 5 {
		res, err := c.Run(t.Context(), api.RunRequest{Args: []string{"sh", "-c", "ls -A . /tmp; touch left /tmp/left; sleep 1000 &"}})
		if err != nil || res.Status != cupel.StatusOK || strings.Contains(res.Stdout, "left") {
			t.Errorf("%+v, %v", res, err)
		}
	}
	pools, err := c.Pools(t.Context())
	if err != nil || len(pools) != 1 || pools[0].Runs != 5 || pools[0].Running != 0 {
		t.Errorf("pools = %+v, %v", pools, err)
	}
}

// Output arrives while the program runs: the program goes on only after its
// first line was read.
func TestStream(t *testing.T) {
	c := start(t, options{}).client("")
	sb, err := c.CreateSandbox(t.Context(), cupel.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	defer sb.Close()
	r, w := io.Pipe()
	defer r.Close()
	done := make(chan error, 1)
	var res cupel.Result
	go func() {
		var err error
		res, err = sb.Exec(t.Context(), cupel.Cmd{
			Args: []string{"sh", "-c", "echo first; until test -e go; do sleep 0.01; done; printf '\\303'; sleep 0.05; printf '\\251\\377'; exit 4"}, Stdout: w,
		})
		w.CloseWithError(err)
		done <- err
	}()
	first := make([]byte, 6)
	if _, err := io.ReadFull(r, first); err != nil || string(first) != "first\n" {
		t.Fatalf("read %q, %v", first, err)
	}
	if err := sb.Put(t.Context(), "/work", tarOf(t, "go", "")); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(r)
	if err != nil && !errors.Is(err, io.EOF) || string(rest) != "é\xff" {
		t.Errorf("rest = %q, %v", rest, err)
	}
	if err := <-done; err != nil || res.Status != cupel.StatusNonzero || res.ExitCode != 4 {
		t.Errorf("%+v, %v", res, err)
	}
}

// A character that is written in two halves arrives in one piece.
func TestStreamKeepsCharacters(t *testing.T) {
	p := start(t, options{})
	resp, body := p.call("POST", "/v1/run?stream=1", `{"args": ["sh", "-c", "printf '\\303'; sleep 0.1; printf '\\251'; printf '\\377' >&2"]}`)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" ||
		!strings.Contains(body, "event: stdout\ndata: {\"data\":\"é\"}\n\n") ||
		!strings.Contains(body, "event: stderr\ndata: {\"base64\":\"/w==\"}\n\n") ||
		!strings.Contains(body, "event: result\ndata: {\"status\":\"ok\"") || !strings.HasSuffix(body, "}\n\n") {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
}

func TestSandboxFiles(t *testing.T) {
	c := start(t, options{}).client("")
	sb, err := c.CreateSandbox(t.Context(), cupel.Spec{Limits: cupel.Limits{Disk: cupel.MiB}})
	if err != nil {
		t.Fatal(err)
	}
	defer sb.Close()
	if err := sb.Put(t.Context(), "/work/in", tarOf(t, "a b?&#%41", "content")); err != nil {
		t.Fatal(err)
	}
	rc, err := sb.Get(t.Context(), "/work/in/a b?&#%41")
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	tr := tar.NewReader(rc)
	h, err := tr.Next()
	if err != nil || h.Name != "a b?&#%41" {
		t.Fatalf("%+v, %v", h, err)
	}
	if content, err := io.ReadAll(tr); err != nil || string(content) != "content" {
		t.Errorf("%q, %v", content, err)
	}
	wantKind(t, sb.Put(t.Context(), "/work", tarOf(t, "../out", "")), cupel.Invalid)
	wantKind(t, sb.Put(t.Context(), "/work", strings.NewReader("this is no tar, and long enough to be looked at"+strings.Repeat("x", 2000))), cupel.Invalid)
	_, err = sb.Get(t.Context(), "/work/none")
	wantKind(t, err, cupel.NotFound)
}

func tarOf(t *testing.T, name, content string) *bytes.Reader {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, content)
	w.Close()
	return bytes.NewReader(buf.Bytes())
}

// Many callers at once each get their own program's output, pooled or fresh.
func TestManyRuns(t *testing.T) {
	p := start(t, options{})
	c := p.client("")
	var wg sync.WaitGroup
	for caller := range 32 {
		wg.Go(func() {
			for n := range 5 {
				want := fmt.Sprintf("%d/%d\n", caller, n)
				req := api.RunRequest{Args: []string{"cat"}, Stdin: want, Fresh: n == 0}
				res, err := c.Run(t.Context(), req)
				if err != nil || res.Status != cupel.StatusOK || res.Stdout != want {
					t.Errorf("%+v, %v", res, err)
				}
			}
		})
	}
	wg.Wait()
	h, err := c.Health(t.Context())
	if err != nil || h.Running != 0 || h.Queued != 0 {
		t.Errorf("%+v, %v", h, err)
	}
	if pools, err := c.Pools(t.Context()); err != nil || len(pools) != 1 || pools[0].Runs != 32*4 || pools[0].Waiting != 0 {
		t.Errorf("%+v, %v", pools, err)
	}
}
