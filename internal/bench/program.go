package bench

import "os"

// Program is something small to run.
type Program struct {
	Name string
	// Args start with the full path of a program that is at the same place
	// inside a sandbox and outside.
	Args []string
}

// check is as much work as an assembled HumanEval program: a library module,
// one short function, seven asserts.
const check = `from typing import List


def closest_pair_below(values: List[float], gap: float) -> bool:
    """Say whether two of the values are nearer to each other than gap."""
    ordered = sorted(values)
    return any(b - a < gap for a, b in zip(ordered, ordered[1:]))


def check(candidate):
    assert candidate([1.5, 2.5, 4.0, 5.75, 2.25], 0.5) == True
    assert candidate([1.5, 2.5, 4.0, 5.75, 2.25], 0.1) == False
    assert candidate([1.0, 2.0, 6.0, 4.0, 5.0], 0.95) == False
    assert candidate([1.0, 2.0, 6.0, 4.0, 5.0], 1.25) == True
    assert candidate([3.0, 2.0, 1.0, 4.5, 3.0], 0.5) == True
    assert candidate([], 1.0) == False
    assert candidate([7.0], 100.0) == False


check(closest_pair_below)
`

// trueProgram is the smallest program there is.
func trueProgram() Program {
	path := "/bin/true"
	if _, err := os.Stat(path); err != nil {
		path = "/usr/bin/true"
	}
	return Program{Name: "true", Args: []string{path}}
}

func checkProgram(python string) Program {
	return Program{Name: "check", Args: []string{python, "-c", check}}
}

// environment is what programs outside a sandbox get: as clean as inside.
var environment = []string{
	"HOME=/home/cupel", "LANG=C.UTF-8", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR=/tmp",
}
