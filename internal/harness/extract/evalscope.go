package extract

import (
	"regexp"
	"strings"
	"unicode"
)

// EvalScope's patterns are Python's, whose \w and \s know Unicode; RE2's do
// not, so that the classes are spelled out.
const (
	word  = `[\pL\pN_]`
	space = `[\s\v\x1c-\x1f\x85\pZ]`
)

var (
	humanEvalBlock = regexp.MustCompile("(?s)```" + word + "*\n(.*?)```")
	closedBlock    = regexp.MustCompile("(?s)```([^\n]*)\n(.*?)\n" + space + "*```")
	openBlock      = regexp.MustCompile("(?s)```([^\n]*)\n(.*)")
	definition     = regexp.MustCompile(`(?m)(?:^(?:import|from|#)[^\n]+\n)*^(?:def|class) [^\n]+\n(?:` + space + `+[^\n]+\n)+`)
)

// HumanEval returns what EvalScope takes from a reply to a HumanEval task: the
// first block whose opening fence has nothing but a word behind it, else the
// whole reply.
func HumanEval(reply string) string {
	if m := humanEvalBlock.FindStringSubmatch(reply); m != nil {
		return m[1]
	}
	return reply
}

// MBPP returns the program that EvalScope makes of a reply to an MBPP task:
// cut at [DONE], extracted, cut at the first assert or docstring at the
// margin, put behind the task's set-up code and cut at its main guard.
func MBPP(reply, setup string) string {
	reply, _, _ = strings.Cut(reply, "[DONE]")
	code := Python(reply)
	code, _, _ = strings.Cut(code, "\nassert")
	code, _, _ = strings.Cut(code, "\n\"\"\"")
	code, _, _ = strings.Cut(setup+"\n"+code, "if __name__ ==")
	return code
}

// Python is EvalScope's extraction of Python from free text: the first closed
// block, whatever its tag; else what follows an opening fence; else the first
// run of imports and one definition; else nothing. It is then cut at a main
// guard in double quotes and at "# Example usage".
func Python(text string) string {
	var code string
	if m := closedBlock.FindStringSubmatch(text); m != nil {
		code = m[2]
	} else if m := openBlock.FindStringSubmatch(text); m != nil {
		code = m[2]
	} else {
		code = definition.FindString(withoutBlankLines(text))
	}
	code = strings.ReplaceAll(code, "\r", "")
	for _, mark := range []string{`if __name__ == "__main__":`, "# Example usage"} {
		if before, _, found := strings.Cut(code, mark); found {
			code = strings.TrimFunc(before, isSpace)
		}
	}
	return code
}

func withoutBlankLines(text string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		if strings.TrimFunc(line, isSpace) != "" {
			b.WriteString(line)
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// isSpace is Python's str.isspace: Unicode's white space and the four
// separators of ASCII.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }
