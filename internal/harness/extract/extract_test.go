package extract

import (
	"strings"
	"testing"
	"unicode/utf8"
)

const ticks = "```"

func TestCode(t *testing.T) {
	for _, tc := range []struct{ name, reply, want string }{
		{"no fence", "def f(): pass\n", "def f(): pass\n"},
		{"empty", "", ""},
		{"one block", "Sure:\n" + ticks + "python\nx = 1\ny = 2\n" + ticks + "\nDone.", "x = 1\ny = 2\n"},
		{"the first of two", ticks + "sh\nls\n" + ticks + "\n" + ticks + "python\nx\n" + ticks, "ls\n"},
		{"no tag", ticks + "\nx\n" + ticks, "x\n"},
		{"tag and more", ticks + "python title=\"a\"\nx\n" + ticks, "x\n"},
		{"tag with a sign", ticks + "c++\nint x;\n" + ticks, "int x;\n"},
		{"tildes", "~~~python\nx\n" + ticks + "\ny\n~~~\n", "x\n" + ticks + "\ny\n"},
		{"longer fence", "````\n" + ticks + "\nx\n" + ticks + "\n````\n", ticks + "\nx\n" + ticks + "\n"},
		{"indented", "1. Do:\n   " + ticks + "py\n   if x:\n       y\n   " + ticks + "\n", "if x:\n    y\n"},
		{"never closed", ticks + "python\nx\ny", "x\ny"},
		{"closed on the last line of code", ticks + "python\nx = 1" + ticks, "x = 1\n"},
		{"inline code is no fence", "Use " + ticks + "x" + ticks + " or\n" + ticks + "y" + ticks + "\n", "Use " + ticks + "x" + ticks + " or\n" + ticks + "y" + ticks + "\n"},
		{"opens within a line", "Here: " + ticks + "python\nx\n" + ticks, "x\n"},
		{"line breaks of Windows", ticks + "python\r\nx\r\n" + ticks + "\r\n", "x\r\n"},
		{"backticks in a string", ticks + "python\ns = '" + ticks + "'\n" + ticks + "\n", "s = '" + ticks + "'\n"},
		{"empty block", ticks + "python\n" + ticks, ""},
	} {
		if got := Code(tc.reply); got != tc.want {
			t.Errorf("%s: Code(%q) = %q, want %q", tc.name, tc.reply, got, tc.want)
		}
	}
}

func TestHumanEval(t *testing.T) {
	for _, tc := range []struct{ name, reply, want string }{
		{"no fence", "    return 1", "    return 1"},
		{"block", "a\n" + ticks + "python\nx\n" + ticks, "x\n"},
		{"no line break before the end", ticks + "python\nx" + ticks, "x"},
		{"never closed", ticks + "python\nx\n", ticks + "python\nx\n"},
		{"a space after the tag pairs the wrong fences", ticks + "python \nx\n" + ticks + "\n" + ticks + "py\ny\n" + ticks, ""},
		{"a sign in the tag", ticks + "c++\nx\n" + ticks, ticks + "c++\nx\n" + ticks},
		{"letters of Python's", ticks + "pythön\nx\n" + ticks, "x\n"},
	} {
		if got := HumanEval(tc.reply); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestPython(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"block", ticks + "python\nx\ny\n" + ticks, "x\ny"},
		{"any tag", ticks + "sh\nls\n" + ticks + "\n" + ticks + "python\nx\n" + ticks, "ls"},
		{"no line break before the end", ticks + "python\nx=1" + ticks + "\n", "x=1" + ticks + "\n"},
		{"never closed", "a" + ticks + "python\nx\n", "x\n"},
		{"nothing", "I can't.", ""},
		{"carriage returns", ticks + "\na\r\nb\r\n" + ticks, "a\nb"},
		{
			"heuristic", "Here you are\nimport re\n\nfrom x import y\ndef f(a):\n    b\n\n    return 1\nThat's it.\ndef g():\n    pass\n",
			"import re\nfrom x import y\ndef f(a):\n    b\n    return 1\n",
		},
		{"heuristic needs a body", "def f(): pass", ""},
		{"main guard", ticks + "\ndef f():\n    1\n\nif __name__ == \"__main__\":\n    f()\n" + ticks, "def f():\n    1"},
		{"main guard in single quotes", ticks + "\na\nif __name__ == '__main__':\n    f()\n" + ticks, "a\nif __name__ == '__main__':\n    f()"},
		{"example", ticks + "\na\n\n# Example usage:\nb\n" + ticks, "a"},
	} {
		if got := Python(tc.text); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestMBPP(t *testing.T) {
	for _, tc := range []struct{ name, reply, setup, want string }{
		{"done", ticks + "\nx\n" + ticks + "[DONE]\nmore", "", "\nx"},
		{"begin without a fence", "[BEGIN]\ndef f():\n    return 1\n[DONE]", "", "\ndef f():\n    return 1\n"},
		{"asserts and docstrings are cut", ticks + "\ndef f():\n    1\nassert f()\n" + ticks, "", "\ndef f():\n    1"},
		{"docstring at the margin", ticks + "\nx = 1\n\"\"\"\ny\n" + ticks, "", "\nx = 1"},
		{"set-up first", ticks + "\nx\n" + ticks, "root = Node(1)", "root = Node(1)\nx"},
		{"guard in single quotes", ticks + "\nx\nif __name__ == '__main__':\n    f()\n" + ticks, "s", "s\nx\n"},
	} {
		if got := MBPP(tc.reply, tc.setup); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}

func FuzzExtractors(f *testing.F) {
	f.Add("a\n" + ticks + "py\n  x\n" + ticks + "\n~~~\n" + ticks)
	f.Add("import x\ndef f():\n\u00a0 y\n# Example usage")
	f.Fuzz(func(t *testing.T, reply string) {
		if got := Code(reply); len(got) > len(reply)+1 {
			t.Errorf("Code made %d bytes of %d", len(got), len(reply))
		} else if !strings.Contains(reply, ticks) && !strings.Contains(reply, "~~~") && got != reply {
			t.Errorf("Code changed a reply without a fence: %q", got)
		}
		for _, got := range []string{HumanEval(reply), Python(reply), MBPP(reply, "")} {
			if len(got) > len(reply)+2 || utf8.ValidString(reply) && !utf8.ValidString(got) {
				t.Errorf("%q became %q", reply, got)
			}
		}
	})
}
