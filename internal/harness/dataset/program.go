package dataset

import (
	"regexp"
	"strings"
)

// Program returns the source that an answer stands for. Nothing is cut.
//
// A HumanEval completion follows its prompt, unless it repeats the signature:
// its first line of code stands at the margin and it defines the entry point
// there. Then it stands on its own behind the prompt's imports and helpers,
// which it may redefine, and its own "from __future__" imports come first.
// Any other answer is the program.
func (s *Sample) Program(completion string) string {
	if s.Python == nil || s.Python.Form != FormCheck {
		return completion
	}
	if !standsAlone(completion, s.Python.EntryPoint) {
		return s.Prompt + completion
	}
	head := futureImports(completion)
	return completion[:head] + s.Python.Preamble + completion[head:]
}

// preamble is the part of a prompt before the entry point's definition,
// decorators excluded.
func preamble(prompt, entry string) string {
	at := definition(prompt, entry)
	if at < 0 {
		return ""
	}
	before := prompt[:at]
	for {
		trimmed := strings.TrimRight(before, "\r\n")
		line := trimmed[strings.LastIndexByte(trimmed, '\n')+1:]
		if !strings.HasPrefix(line, "@") {
			return before
		}
		before = trimmed[:len(trimmed)-len(line)]
	}
}

// definition returns the offset of the line that defines a function at the
// margin, or -1.
func definition(code, name string) int {
	re := regexp.MustCompile(`(?m)^(?:async[ \t]+)?def[ \t]+` + regexp.QuoteMeta(name) + `[ \t]*[(\[]`)
	if at := re.FindStringIndex(code); at != nil {
		return at[0]
	}
	return -1
}

func standsAlone(completion, entry string) bool {
	for line := range strings.Lines(completion) {
		code := strings.TrimSpace(line)
		if code == "" || strings.HasPrefix(code, "#") {
			continue
		}
		if line[0] == ' ' || line[0] == '\t' {
			return false
		}
		break
	}
	return definition(completion, entry) >= 0
}

var future = regexp.MustCompile(`(?m)^from[ \t]+__future__[ \t]+import\b(?:[ \t]*\([^)]*\)[^\n]*|[^\n]*)(?:\n|\z)`)

// futureImports returns the offset behind the last "from __future__" import,
// 0 if there is none.
func futureImports(code string) int {
	all := future.FindAllStringIndex(code, -1)
	if all == nil {
		return 0
	}
	return all[len(all)-1][1]
}
