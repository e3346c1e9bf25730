package grade

import (
	"time"

	"cupel.dev/cupel"
)

// GraderSpec returns base with the limits that a grading process needs: it
// lives as long as the Grader does, speaks on stdout all that time, and bounds
// each check by itself (512 MiB, 10 s of CPU).
func GraderSpec(base cupel.Spec) cupel.Spec {
	return base.Merge(cupel.Spec{Limits: cupel.Limits{
		Time:      7 * 24 * time.Hour,
		CPUTime:   7 * 24 * time.Hour,
		Memory:    cupel.GiB,
		Processes: 64,
		Output:    cupel.TiB,
	}})
}

// CandidateSpec returns base with limits that allow every run of tasks: times
// of at least cpu and wall, and room on stdout for what a program prints
// before its answers, which come last.
func CandidateSpec(base cupel.Spec, cpu, wall time.Duration) cupel.Spec {
	over := cupel.Limits{Output: 32 * cupel.MiB}
	if cpu > base.Limits.CPUTime {
		over.CPUTime = cpu
	}
	if wall > base.Limits.Time {
		over.Time = wall
	}
	return base.Merge(cupel.Spec{Limits: over})
}
