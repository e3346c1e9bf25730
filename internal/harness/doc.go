// Package harness holds the nouns of an evaluation: an [Attempt] is one answer
// and what became of it.
//
// The packages below follow an answer's way: dataset (the tasks), model (who
// answers), extract (from a reply to code), judge (runs and grades one
// answer), run (all of them, resumable), score (numbers), report (what people
// and scripts read).
package harness
