package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// cover says that what one test can't show here, another one shows.
type cover struct{ skipped, by string }

// readCovers reads a list of covers, one a line: the test that may be skipped
// and the one that must pass instead, and after " #" the reason. A name is
// PACKAGE.TEST; "..." at the end of both stands for the same rest. A missing
// file is an empty list.
func readCovers(file string) ([]cover, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []cover
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		entry, reason, _ := strings.Cut(" "+lines.Text(), " #")
		fields := strings.Fields(entry)
		switch {
		case len(fields) == 0:
			continue
		case len(fields) != 2 || strings.TrimSpace(reason) == "":
			return nil, fmt.Errorf("%s:%d: want a skipped test, the test that covers it and '# reason'", file, n)
		}
		list = append(list, cover{fields[0], fields[1]})
	}
	return list, lines.Err()
}

// coveredBy is the test that passed in place of the skipped one, or "".
func coveredBy(covers []cover, test string, passed map[string]bool) string {
	for _, c := range covers {
		by := c.by
		if prefix, open := strings.CutSuffix(c.skipped, "..."); open {
			rest, ok := strings.CutPrefix(test, prefix)
			if !ok {
				continue
			}
			if to, ok := strings.CutSuffix(by, "..."); ok {
				by = to + rest
			}
		} else if c.skipped != test {
			continue
		}
		if passed[by] {
			return by
		}
	}
	return ""
}
