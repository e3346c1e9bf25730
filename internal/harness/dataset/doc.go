// Package dataset reads benchmarks: HumanEval, MBPP and a small bundled one.
//
// A dataset becomes a Set of Samples in the order of its file. A Sample is
// judged either by a Python test (Sample.Python) or by programs' output
// (Sample.Cases). Errors name the file, the line and the column.
package dataset
