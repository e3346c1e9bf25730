package remote_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/engines"
	"cupel.dev/cupel/internal/engine/remote"
	"cupel.dev/cupel/internal/harness"
	"cupel.dev/cupel/internal/harness/dataset"
	"cupel.dev/cupel/internal/harness/judge"
	"cupel.dev/cupel/internal/harness/model"
	"cupel.dev/cupel/service"
)

// servers are those that the tests below run on.
func servers(t *testing.T, test func(t *testing.T, cfg remote.Config)) {
	t.Run("ours", func(t *testing.T) { test(t, remote.Config{BaseURL: ours(t)}) })
	url := os.Getenv("CUPEL_TEST_ENCLAVE_URL")
	if url == "" {
		return // the end-to-end tests name one
	}
	t.Run("theirs", func(t *testing.T) {
		test(t, remote.Config{BaseURL: url, APIKey: os.Getenv("CUPEL_TEST_ENCLAVE_KEY"), Image: os.Getenv("CUPEL_TEST_ENCLAVE_IMAGE")})
	})
}

func create(t *testing.T, e *remote.Engine) cupel.Sandbox {
	t.Helper()
	sb, err := e.Create(t.Context(), cupel.Spec{Limits: cupel.Limits{Time: time.Minute}})
	if err != nil {
		t.Fatalf("%v (hint: %s)", err, cupel.HintOf(err))
	}
	return sb
}

// TestInvalidCmd is the suite's requirement without what only a limit on
// processes shows.
func TestInvalidCmd(t *testing.T) {
	servers(t, func(t *testing.T, cfg remote.Config) {
		sb := create(t, open(t, cfg))
		touch := []string{"touch", "ran"}
		for name, tt := range map[string]struct {
			cmd  cupel.Cmd
			kind cupel.Kind
		}{
			"no arguments":     {cupel.Cmd{}, cupel.Invalid},
			"a NUL":            {cupel.Cmd{Args: []string{"touch", "ran\x00b"}}, cupel.Invalid},
			"a bad name":       {cupel.Cmd{Args: touch, Env: map[string]string{"A=B": "x"}}, cupel.Invalid},
			"a relative dir":   {cupel.Cmd{Args: touch, Dir: "here"}, cupel.Invalid},
			"no dir":           {cupel.Cmd{Args: touch, Dir: "/no/such"}, cupel.NotFound},
			"a named user":     {cupel.Cmd{Args: touch, User: "root"}, cupel.Invalid},
			"another user":     {cupel.Cmd{Args: touch, User: "7"}, cupel.Unsupported},
			"memory above":     {cupel.Cmd{Args: touch, Limits: cupel.Limits{Memory: cupel.TiB}}, cupel.Invalid},
			"memory below":     {cupel.Cmd{Args: touch, Limits: cupel.Limits{Memory: cupel.MiB}}, cupel.Unsupported},
			"processes below":  {cupel.Cmd{Args: touch, Limits: cupel.Limits{Processes: 3}}, cupel.Unsupported},
			"time above":       {cupel.Cmd{Args: touch, Limits: cupel.Limits{Time: time.Hour}}, cupel.Invalid},
			"a negative limit": {cupel.Cmd{Args: touch, Limits: cupel.Limits{Files: -1}}, cupel.Invalid},
		} {
			if _, err := sb.Exec(t.Context(), tt.cmd); cupel.KindOf(err) != tt.kind {
				t.Errorf("%s: %v, want kind %s", name, err, tt.kind)
			}
		}
		res, out, _, err := cupel.Output(t.Context(), sb, cupel.Cmd{Args: []string{"sh", "-c", "ls -A . /tmp"}})
		if err != nil || res.Status != cupel.StatusOK || string(out) != ".:\n\n/tmp:\n" {
			t.Errorf("left behind: %q, %+v, %v", out, res, err)
		}
	})
}

// running starts a program that takes long, and returns once it runs.
func running(ctx context.Context, t *testing.T, sb cupel.Sandbox) <-chan error {
	t.Helper()
	ended := make(chan error, 1)
	go func() {
		_, err := sb.Exec(ctx, cupel.Cmd{Args: []string{"sh", "-c", "touch /tmp/runs; sleep 50"}})
		ended <- err
	}()
	res, err := sb.Exec(t.Context(), cupel.Cmd{Args: []string{"sh", "-c", "until [ -e /tmp/runs ]; do sleep 0.02; done"}})
	if err != nil || res.Status != cupel.StatusOK {
		t.Fatalf("the program did not start: %+v, %v", res, err)
	}
	return ended
}

// TestCloseEndsWhatRuns closes sandboxes and engines under a program.
func TestCloseEndsWhatRuns(t *testing.T) {
	servers(t, func(t *testing.T, cfg remote.Config) {
		for _, what := range []string{"sandbox", "engine"} {
			e := open(t, cfg)
			sb := create(t, e)
			ended := running(t.Context(), t, sb)
			end := sb.Close
			if what == "engine" {
				end = e.Close
			}
			began := time.Now()
			if err := end(); err != nil || time.Since(began) > 8*time.Second {
				t.Errorf("%s: Close = %v after %v", what, err, time.Since(began))
			}
			if err := <-ended; cupel.KindOf(err) != cupel.Closed {
				t.Errorf("%s: Exec = %v, want kind closed", what, err)
			}
		}
	})
}

// TestCancelDeletes: nobody goes on with what was cancelled, and the sandbox
// says that it is gone.
func TestCancelDeletes(t *testing.T) {
	servers(t, func(t *testing.T, cfg remote.Config) {
		e := open(t, cfg)
		sb := create(t, e)
		ctx, cancel := context.WithCancel(t.Context())
		ended := running(ctx, t, sb)
		cancel()
		if err := <-ended; cupel.KindOf(err) != cupel.Canceled {
			t.Errorf("Exec = %v, want kind canceled", err)
		}
		if _, err := sb.Exec(t.Context(), cupel.Cmd{Args: []string{"true"}}); cupel.KindOf(err) != cupel.Closed {
			t.Errorf("Exec afterwards = %v, want kind closed", err)
		}
		if err := sb.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
}

// A program that ends the script that watches it gets the verdict of one that
// was killed, and the sandbox is fit for the next.
func TestKilledScript(t *testing.T) {
	servers(t, func(t *testing.T, cfg remote.Config) {
		sb := create(t, open(t, cfg))
		res, err := sb.Exec(t.Context(), cupel.Cmd{Args: []string{"sh", "-c", "( setsid sh -c 'trap : TERM; while :; do echo x > /tmp/t; sleep 0.02; done' & ); kill -9 -1"}})
		if err != nil || res.Status != cupel.StatusSignaled || res.Signal != "SIGKILL" {
			t.Errorf("%+v, %v", res, err)
		}
		res, out, _, err := cupel.Output(t.Context(), sb, cupel.Cmd{Args: []string{"sh", "-c", "rm -f /tmp/t; sleep 0.2; ls -A /tmp; echo fine"}})
		if err != nil || res.Status != cupel.StatusOK || string(out) != "fine\n" {
			t.Errorf("%q, %+v, %v", out, res, err)
		}
	})
}

// Input and output of every size and content come through, whichever way they
// take.
func TestSizes(t *testing.T) {
	servers(t, func(t *testing.T, cfg remote.Config) {
		e := open(t, cfg)
		sb, err := e.Create(t.Context(), cupel.Spec{Limits: cupel.Limits{Output: 8 * cupel.MiB}})
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{0, 1, 80 << 10, 100 << 10, 1<<20 - 1, 1 << 20, 1<<20 + 1, 3<<20 + 7} {
			for name, unit := range map[string]string{"text": "it's 7 %s \\n $x\n", "bytes": "\x00\xff\x81\n'"} {
				in := bytes.Repeat([]byte(unit), size/len(unit)+1)[:size]
				var out bytes.Buffer
				res, err := sb.Exec(t.Context(), cupel.Cmd{Args: []string{"cat"}, Stdin: bytes.NewReader(in), Stdout: &out})
				if err != nil || res.Status != cupel.StatusOK || !bytes.Equal(out.Bytes(), in) || res.StdoutTruncated {
					t.Errorf("%d bytes of %s: %d came back, %+v, %v", size, name, out.Len(), res, err)
				}
			}
		}
		if res, out, _, err := cupel.Output(t.Context(), sb, cupel.Cmd{Args: []string{"ls", "-A", "/tmp"}}); err != nil || len(out) != 0 {
			t.Errorf("left behind: %q, %+v, %v", out, res, err)
		}
	})
}

// answers is a judge whose answers run on a server, with graders on this
// machine.
func answers(t *testing.T, cfg remote.Config) *judge.Judge {
	t.Helper()
	config, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	svc := service.New(service.Config{Open: func(ctx context.Context, ref service.EngineRef) (cupel.Engine, error) {
		return engines.Open(ctx, ref.Name, ref.Config)
	}})
	h, err := svc.Create(t.Context(), service.EngineRef{Name: "native"})
	if err != nil {
		svc.Close()
		t.Skipf("no graders here: %v", err)
	}
	h.Close()
	j := judge.New(judge.Config{
		Sandboxes: judge.Pools(svc, service.EngineRef{Name: "remote", Config: config}, 2),
		Graders:   judge.Pools(svc, service.EngineRef{Name: "native"}, 2),
	})
	t.Cleanup(func() {
		if err := errors.Join(j.Close(), svc.Close()); err != nil {
			t.Error(err)
		}
	})
	return j
}

// TestAnswers judges the bundled Python answers, hostile ones too.
func TestAnswers(t *testing.T) {
	servers(t, func(t *testing.T, cfg remote.Config) {
		j := answers(t, cfg)
		set, err := dataset.Open(dataset.Bundled, dataset.Options{})
		if err != nil {
			t.Fatal(err)
		}
		judged := 0
		for _, s := range set.Samples {
			if s.Language != "python" {
				continue
			}
			s.Limits = cupel.Limits{} // HumanEval and MBPP set none either
			for _, answer := range s.Answers {
				if !slices.Contains([]string{"right", "wrong", "loop", "sleep", "crash", "flood"}, answer.Kind) {
					continue // the others need limits that only the server can set
				}
				judged++
				a, err := j.Judge(t.Context(), &s, model.Answer{Text: answer.Text})
				if err != nil || (a.Verdict == harness.Passed) != answer.Passes {
					t.Errorf("%s, %s %s: %s (%s), %v; stderr %s", s.TaskID, answer.Kind, answer.Name, a.Verdict, a.Reason, err, a.Stderr)
				}
			}
		}
		if judged < 5 {
			t.Errorf("only %d answers were judged", judged)
		}
	})
}

// TestHumanEval judges the canonical solutions of HumanEval's file at
// $CUPEL_TEST_HUMANEVAL: each passes, and none does with its body dropped.
func TestHumanEval(t *testing.T) {
	file := os.Getenv("CUPEL_TEST_HUMANEVAL")
	if file == "" {
		t.Skip("CUPEL_TEST_HUMANEVAL names no HumanEval.jsonl.gz")
	}
	set, err := dataset.Open("humaneval", dataset.Options{Path: file})
	if err != nil {
		t.Fatal(err)
	}
	servers(t, func(t *testing.T, cfg remote.Config) {
		j := answers(t, cfg)
		var passed, wrong atomic.Int64
		var all sync.WaitGroup
		places := make(chan struct{}, 4)
		for _, s := range set.Samples {
			places <- struct{}{}
			all.Go(func() {
				defer func() { <-places }()
				for _, answer := range []struct {
					text   string
					passes bool
					count  *atomic.Int64
				}{{s.Canonical, true, &passed}, {"    return None\n", false, &wrong}} {
					a, err := j.Judge(t.Context(), &s, model.Answer{Text: answer.text})
					if err != nil || (a.Verdict == harness.Passed) != answer.passes {
						t.Errorf("%s: %s (%s), %v; stderr %s", s.TaskID, a.Verdict, a.Reason, err, a.Stderr)
						continue
					}
					answer.count.Add(1)
				}
			})
		}
		all.Wait()
		t.Logf("%d of %d canonical solutions passed, %d wrong ones failed", passed.Load(), len(set.Samples), wrong.Load())
	})
}
