//go:build unix

package run

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cupel.dev/cupel/internal/harness"
	"cupel.dev/cupel/internal/harness/report"
)

// killedDir names, in the re-executed test binary's environment, the folder
// that it evaluates into until it is killed.
const killedDir = "CUPEL_TEST_RUN_DIR"

const (
	killTasks    = 60
	killAttempts = 2
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killedDir); dir != "" {
		cfg := fakeConfig(dir, &fakeJudge{pause: 2 * time.Millisecond}, killTasks, killAttempts)
		if _, err := Run(context.Background(), cfg); err != nil {
			_, _ = os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A run that is killed with SIGKILL at random moments, over and over, and then
// left alone ends with the report of an undisturbed one, and each attempt is
// written down once.
func TestKilledAtRandomMoments(t *testing.T) {
	want, err := Run(t.Context(), fakeConfig(t.TempDir(), &fakeJudge{}, killTasks, killAttempts))
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Skipf("no path to the test binary: %v", err)
	}
	killed := 0
	for round := 0; killed < 20 && round < 60; {
		dir := t.TempDir()
		for range 5 {
			round++
			if killedInTime(t, self, dir, time.Duration(rand.IntN(60_000))*time.Microsecond) {
				killed++
			}
		}
		got, err := Run(t.Context(), fakeConfig(dir, &fakeJudge{}, killTasks, killAttempts))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(timeless(want), timeless(got)); diff != "" {
			t.Fatalf("the resumed report differs: %s", diff)
		}
		if saved, err := report.Load(dir); err != nil || cmp.Diff(timeless(want), timeless(saved)) != "" {
			t.Fatalf("the saved report differs, err %v", err)
		}
		seen := map[harness.Key]int{}
		for _, a := range lines(t, dir) {
			seen[a.Key]++
		}
		for key, n := range seen {
			if n != 1 {
				t.Errorf("%v is recorded %d times", key, n)
			}
		}
		if len(seen) != killTasks*killAttempts {
			t.Errorf("%d attempts are recorded, want %d", len(seen), killTasks*killAttempts)
		}
	}
	t.Logf("killed %d runs", killed)
	if killed == 0 {
		t.Error("every run ended before it was killed")
	}
}

// killedInTime starts a run, kills it after some time and reports whether it
// was still running.
func killedInTime(t *testing.T, self, dir string, after time.Duration) bool {
	t.Helper()
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), killedDir+"="+dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	switch code := cmd.ProcessState.ExitCode(); code {
	case -1:
		return true
	case 0:
		return false
	default:
		t.Fatalf("the run ended with status %d", code)
		return false
	}
}
