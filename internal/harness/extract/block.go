// Package extract gets code out of a chat answer: Code by one plain rule, and
// HumanEval and MBPP by EvalScope's rules, whose oddities are kept so that
// scores compare.
package extract

import "strings"

// Code returns the code of the first fenced block of a reply, whatever its
// language tag, or the whole reply when there is none.
//
// A fence is three or more backticks or tildes at the start of a line, which
// may be indented; the same indentation is taken off the block's lines. The
// block ends at a line with at least as many of the same character, or with
// the reply. Three backticks and at most a word at the end of a line of text
// open a block too.
func Code(reply string) string {
	rest := reply
	for rest != "" {
		line, after, _ := strings.Cut(rest, "\n")
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		if f, ok := opening(line[len(indent):]); ok {
			return f.body(after, indent)
		}
		if endsOpening(line) {
			return fence{'`', 3}.body(after, "")
		}
		rest = after
	}
	return reply
}

// endsOpening reports whether a line of text ends with a fence and its tag.
func endsOpening(line string) bool {
	_, tag, found := strings.Cut(line, "```")
	return found && !strings.ContainsAny(strings.TrimSpace(tag), "` \t")
}

// fence is a run of a character.
type fence struct {
	char  byte
	count int
}

// opening reads the fence that a line starts with. What follows is the tag; a
// tag that holds a backtick makes the line inline code.
func opening(line string) (fence, bool) {
	for _, char := range []byte("`~") {
		n := run(line, char)
		if n >= 3 {
			return fence{char, n}, char == '~' || !strings.ContainsRune(line[n:], '`')
		}
	}
	return fence{}, false
}

func run(s string, char byte) int {
	n := 0
	for n < len(s) && s[n] == char {
		n++
	}
	return n
}

// body returns the lines up to the closing fence. One that stands at the end
// of the last line of code closes too: models forget the line break.
func (f fence) body(text, indent string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		if n := run(trimmed, f.char); n >= f.count && n == len(trimmed) {
			return b.String()
		}
		line = strings.TrimPrefix(line, indent)
		b.WriteString(line)
	}
	code := b.String()
	end := strings.TrimRight(code, " \t\r\n")
	if mark := strings.Repeat(string(f.char), f.count); strings.HasSuffix(end, mark) {
		return strings.TrimSuffix(end, mark) + "\n"
	}
	return code
}
