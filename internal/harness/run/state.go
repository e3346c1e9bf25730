package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/harness"
	"cupel.dev/cupel/internal/harness/report"
)

// The files of a run's folder, besides report.File.
const (
	lockFile     = ".lock"
	runFile      = "run.json"
	attemptsFile = "attempts.jsonl"
	oldFile      = "attempts.old.jsonl"
)

// header is run.json.
type header struct {
	Schema      int               `json:"schema"`
	Started     time.Time         `json:"started"`
	Fingerprint map[string]string `json:"fingerprint"`
}

// state is a run's folder, locked and open.
type state struct {
	unlock  func() error
	log     *log
	started time.Time

	mu sync.Mutex
	// done holds the newest attempt of each key, without its output.
	done map[harness.Key]harness.Attempt
}

func openState(dir string, fingerprint map[string]string, rejudge bool) (*state, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, writeError(err)
	}
	unlock, err := lock(filepath.Join(dir, lockFile))
	if err != nil {
		return nil, err
	}
	st := &state{unlock: unlock, done: map[harness.Key]harness.Attempt{}}
	if rejudge {
		err = setAside(dir)
	}
	if err == nil {
		err = st.resume(dir, fingerprint)
	}
	if err == nil {
		st.log, err = openLog(filepath.Join(dir, attemptsFile), st.remember)
	}
	if err != nil {
		return nil, errors.Join(err, unlock())
	}
	return st, nil
}

// setAside makes room for a run that judges everything again. run.json goes
// first: a kill in between leaves attempts without it, which resume refuses.
func setAside(dir string) error {
	err := os.Remove(filepath.Join(dir, runFile))
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = os.Rename(filepath.Join(dir, attemptsFile), filepath.Join(dir, oldFile))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return writeError(err)
	}
	return nil
}

// resume compares run.json with the fingerprint, or writes it.
func (st *state) resume(dir string, fingerprint map[string]string) error {
	path := filepath.Join(dir, runFile)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return st.begin(dir, fingerprint)
	}
	if err != nil {
		return writeError(err)
	}
	var h header
	if err := json.Unmarshal(raw, &h); err != nil || h.Schema != 1 {
		return cupel.Errorf(cupel.Invalid, "resume", "%s is not a run's description of schema 1", path).
			WithHint("give another --out")
	}
	if d := difference(h.Fingerprint, fingerprint); d != "" {
		return cupel.Errorf(cupel.Exists, "resume", "%s holds a run that was judged differently: %s", dir, d).
			WithHint("give another --out, or --rejudge to judge everything again")
	}
	st.started = h.Started
	return nil
}

func (st *state) begin(dir string, fingerprint map[string]string) error {
	if info, err := os.Stat(filepath.Join(dir, attemptsFile)); err == nil && info.Size() > 0 {
		return cupel.Errorf(cupel.Exists, "resume", "%s holds attempts, but no %s that says how they were judged", dir, runFile).
			WithHint("give another --out, or --rejudge to judge everything again")
	}
	st.started = time.Now().UTC()
	raw, err := json.MarshalIndent(header{1, st.started, fingerprint}, "", "  ")
	if err != nil {
		return cupel.Errorf(cupel.Internal, "encode run", "%w", err)
	}
	return report.WriteFile(filepath.Join(dir, runFile), append(raw, '\n'))
}

// difference names what differs between two fingerprints, or is "".
func difference(was, is map[string]string) string {
	keys := maps.Clone(was)
	if keys == nil {
		keys = map[string]string{}
	}
	maps.Copy(keys, is)
	var all []string
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		old, had := was[k]
		now, has := is[k]
		switch {
		case had && !has:
			all = append(all, fmt.Sprintf("%s was %s and is not given now", k, old))
		case !had:
			all = append(all, fmt.Sprintf("%s is %s and was not there", k, now))
		case old != now:
			all = append(all, fmt.Sprintf("%s was %s, now %s", k, old, now))
		}
	}
	return strings.Join(all, "; ")
}

// remember keeps what reports need of an attempt.
func (st *state) remember(a harness.Attempt) {
	a.Stdout, a.Stderr = "", ""
	st.mu.Lock()
	defer st.mu.Unlock()
	st.done[a.Key] = a
}

// before counts the planned attempts and those of them that are judged.
func (st *state) before(sets [][]task) (total int, before report.Counts) {
	for _, tasks := range sets {
		for _, t := range tasks {
			total += t.attempts
			for n := range t.attempts {
				if key := t.key(n); judged(st.done, key) {
					before.Add(st.done[key].Verdict)
				}
			}
		}
	}
	return total, before
}

// record writes an attempt down and remembers it.
func (st *state) record(a harness.Attempt) error {
	if err := st.log.append(a); err != nil {
		return err
	}
	st.remember(a)
	return nil
}

func (st *state) close() error {
	return errors.Join(st.log.close(), st.unlock())
}
