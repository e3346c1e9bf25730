package run

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/harness"
)

func TestTornAndBrokenLines(t *testing.T) {
	dir := t.TempDir()
	if _, err := Run(t.Context(), fakeConfig(dir, &fakeJudge{}, 6, 1)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, attemptsFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := strings.LastIndexByte(strings.TrimSuffix(string(whole), "\n"), '\n') + 1
	for cut := last; cut < len(whole); cut += max(1, (len(whole)-last)/7) {
		if err := os.WriteFile(path, whole[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		j := &fakeJudge{}
		rep, err := Run(t.Context(), fakeConfig(dir, j, 6, 1))
		if err != nil || rep.Datasets[0].Attempts != 6 || j.judged.Load() != 1 {
			t.Fatalf("torn at %d of %d: judged %d, err %v", cut, len(whole), j.judged.Load(), err)
		}
		if n := len(lines(t, dir)); n != 6 {
			t.Fatalf("torn at %d: %d lines", cut, n)
		}
	}
	broken := strings.Replace(string(whole), `"verdict"`, `"verdict`, 2)
	if err := os.WriteFile(path, []byte(broken), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = Run(t.Context(), fakeConfig(dir, &fakeJudge{}, 6, 1))
	if cupel.KindOf(err) != cupel.Invalid || !strings.Contains(err.Error(), attemptsFile+":1:") {
		t.Errorf("a broken first line gave %v", err)
	}
	if now, _ := os.ReadFile(path); string(now) != broken {
		t.Error("a refused file was changed")
	}
}

func TestSecondRunInOneFolderIsRefused(t *testing.T) {
	dir := t.TempDir()
	st, err := openState(dir, fakeFingerprint(), false)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Run(t.Context(), fakeConfig(dir, &fakeJudge{}, 1, 1))
	if cupel.KindOf(err) != cupel.Unavailable || cupel.HintOf(err) == "" {
		t.Errorf("got %v (hint %q), want kind unavailable and a hint", err, cupel.HintOf(err))
	}
	if err := st.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), fakeConfig(dir, &fakeJudge{}, 1, 1)); err != nil {
		t.Errorf("the lock was not let go: %v", err)
	}
}

// A full disk ends the run; it is no verdict and no attempt is half written.
func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Skipf("no /dev/full here: %v", err)
	}
	defer func() { _ = full.Close() }()
	st := &state{log: &log{file: full, synced: time.Now()}, done: map[harness.Key]harness.Attempt{}}
	cfg := fakeConfig("", &fakeJudge{}, 5, 1)
	cfg.setDefaults()
	err = cfg.judgeAll(t.Context(), st, pending(cfg.plan(), st.done))
	if !errors.Is(err, syscall.ENOSPC) || cupel.HintOf(err) == "" || len(st.done) != 0 {
		t.Errorf("got %v with hint %q and %d attempts", err, cupel.HintOf(err), len(st.done))
	}
}

func TestUnionLeavesPausesOut(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	spans := []span{{at(20), at(22)}, {at(0), at(4)}, {at(1), at(2)}, {at(3), at(6)}, {at(9), at(8)}}
	if got := union(spans); got != 8*time.Second {
		t.Errorf("got %v, want 8s", got)
	}
}

func TestFingerprintIsCompared(t *testing.T) {
	dir := t.TempDir()
	if _, err := Run(t.Context(), fakeConfig(dir, &fakeJudge{}, 3, 1)); err != nil {
		t.Fatal(err)
	}
	cfg := fakeConfig(dir, &fakeJudge{}, 3, 1)
	cfg.Fingerprint = map[string]string{"grading": "upstream 1", "image": "host"}
	_, err := Run(t.Context(), cfg)
	if cupel.KindOf(err) != cupel.Exists {
		t.Fatalf("got %v, want kind exists", err)
	}
	for _, want := range []string{"grading was strict 1, now upstream 1", "image is host and was not there"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q doesn't name %q", err, want)
		}
	}
	cfg.Rejudge = true
	if _, err := Run(t.Context(), cfg); err != nil {
		t.Fatalf("rejudging under another fingerprint: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, oldFile)); err != nil {
		t.Errorf("the old attempts were not kept: %v", err)
	}
	if n := len(lines(t, dir)); n != 3 {
		t.Errorf("%d attempts after rejudging, want 3", n)
	}
}

func fakeFingerprint() map[string]string {
	cfg := fakeConfig("", nil, 1, 1)
	return cfg.fingerprint()
}
