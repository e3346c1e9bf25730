package cgroup

import (
	"fmt"
	"os"
	"path"
	"strings"
	"time"
)

// A registry is a directory with one note for each live Manager: which
// directories it made. The cgroup that a process starts in may differ from one
// start to the next (each session has its own), and then a later Open would
// not see what a dead owner left elsewhere. Notes are hints: a directory is
// removed only if its own name says that it was the dead owner's.

// note writes down the Manager's directories.
func (m *Manager) note(registry string, prefix string, me owner) error {
	if registry == "" || len(m.bases) == 0 {
		return nil
	}
	if err := os.MkdirAll(registry, 0o700); err != nil {
		return fmt.Errorf("note our cgroups: %w", err)
	}
	var lines strings.Builder
	for _, b := range m.bases {
		fmt.Fprintf(&lines, "%d %s\n", b.version, b.dir)
	}
	m.noteFile = path.Join(registry, me.directory(prefix))
	if err := os.WriteFile(m.noteFile, []byte(lines.String()), 0o600); err != nil {
		return fmt.Errorf("note our cgroups: %w", err)
	}
	return nil
}

// reapNoted removes what the notes of dead owners name, then the notes.
func reapNoted(registry, prefix string, me owner) {
	entries, err := os.ReadDir(registry)
	if err != nil {
		return // none yet
	}
	for _, e := range entries {
		o, ok := parseOwner(prefix, e.Name())
		if !ok || o.ns != me.ns || o == me || !o.dead() {
			continue
		}
		file := path.Join(registry, e.Name())
		text, err := os.ReadFile(file)
		if err == nil && removeNoted(string(text), prefix, o) {
			_ = os.Remove(file)
		}
	}
}

// removeNoted removes the directories of o that a note names and reports
// whether all are gone.
func removeNoted(text, prefix string, o owner) bool {
	gone := true
	for line := range strings.Lines(text) {
		var version int
		var dir string
		if _, err := fmt.Sscanf(line, "%d %s", &version, &dir); err != nil {
			continue
		}
		if named, ok := parseOwner(prefix, path.Base(dir)); !ok || named != o {
			continue
		}
		gone = removeTree(version, dir, time.Now().Add(killTimeout)) == nil && gone
	}
	return gone
}
