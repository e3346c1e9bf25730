package lang_test

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/lang"
	"cupel.dev/cupel/internal/lang/langtest"
)

func TestLookup(t *testing.T) {
	for name, want := range map[string]string{
		"python": "python", "Python3": "python", " sh ": "bash", "node": "javascript", "C++": "cpp", "c": "c",
	} {
		if l, err := lang.Lookup(name); err != nil || l.Name != want {
			t.Errorf("Lookup(%q) = %q, %v; want %q", name, l.Name, err, want)
		}
	}
	_, err := lang.Lookup("pyton")
	if cupel.KindOf(err) != cupel.Invalid || !strings.Contains(err.Error(), "did you mean python?") {
		t.Errorf("an unknown language: %v", err)
	}
}

func TestBySuffix(t *testing.T) {
	for file, want := range map[string]string{
		"a.py": "python", "dir.c/x.sh": "bash", "x.C": "cpp", "x.c": "c", "x.CPP": "cpp", "x.mjs": "javascript",
		"x.go": "", "Makefile": "", "": "", "c": "",
	} {
		if l, ok := lang.BySuffix(file); l.Name != want || ok != (want != "") {
			t.Errorf("BySuffix(%q) = %q, %v; want %q", file, l.Name, ok, want)
		}
	}
}

// Names, aliases and suffixes must each lead to one language.
func TestLanguagesAreDistinct(t *testing.T) {
	seen := map[string]string{}
	for _, l := range lang.All() {
		for _, key := range append(append([]string{l.Name}, l.Aliases...), l.Suffixes...) {
			if other, ok := seen[key]; ok {
				t.Errorf("%q names both %s and %s", key, other, l.Name)
			}
			seen[key] = l.Name
		}
		if l.File == "" || len(l.Run) == 0 || len(l.Version) == 0 || l.Needs == "" || l.Install == "" {
			t.Errorf("language %s is not whole: %+v", l.Name, l)
		}
		if by, ok := lang.BySuffix(l.File); !ok || by.Name != l.Name {
			t.Errorf("file %s of %s has the suffix of %q", l.File, l.Name, by.Name)
		}
	}
}

// echo prints its first argument and its input, in each language.
var echo = map[string]string{
	"python":     "import sys\nprint(sys.argv[1] + sys.stdin.read(), end='')\n",
	"bash":       "printf '%s' \"$1\"; cat\n",
	"javascript": "process.stdout.write(process.argv[2] + require('fs').readFileSync(0, 'utf8'))\n",
	"c":          "#include <stdio.h>\nint main(int n, char **a) { (void)n; printf(\"%s\", a[1]); int c; while ((c = getchar()) != EOF) putchar(c); }\n",
	"cpp":        "#include <iostream>\nint main(int, char **a) { std::cout << a[1] << std::cin.rdbuf(); }\n",
}

func TestRunEveryLanguage(t *testing.T) {
	for _, l := range lang.All() {
		t.Run(l.Name, func(t *testing.T) {
			if _, err := exec.LookPath(l.Needs); err != nil {
				t.Skipf("%s is not installed: %s", l.Needs, l.Install)
			}
			p := lang.Program{
				Language: l, Source: []byte(echo[l.Name]), Args: []string{"a b"},
				Limits: cupel.Limits{Time: 5 * time.Second},
			}
			sb := langtest.Sandbox(t, cupel.Spec{Limits: p.SpecLimits()})
			var stdout, stderr bytes.Buffer
			p.Stdin, p.Stdout, p.Stderr = strings.NewReader("in"), &stdout, &stderr
			out, err := lang.Run(t.Context(), sb, p)
			if err != nil || out.Result.Status != cupel.StatusOK || stdout.String() != "a bin" {
				t.Errorf("got %v %q %q %s, %v", out.Result.Status, stdout.String(), stderr.String(), out.CompileStderr, err)
			}
			if (out.Compile != nil) != (l.Compile != nil) {
				t.Errorf("compile step: %+v", out.Compile)
			}
			if v, err := lang.Available(t.Context(), sb, l); err != nil || !strings.ContainsAny(v, "0123456789") {
				t.Errorf("version %q, %v", v, err)
			}
		})
	}
}

func language(t *testing.T, name string) lang.Language {
	t.Helper()
	l, err := lang.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestCompileError(t *testing.T) {
	c := language(t, "c")
	if _, err := exec.LookPath(c.Needs); err != nil {
		t.Skipf("%s is not installed", c.Needs)
	}
	p := lang.Program{Language: c, Source: []byte("int main(void) { return x; }")}
	out, err := lang.Run(t.Context(), langtest.Sandbox(t, cupel.Spec{Limits: p.SpecLimits()}), p)
	if err != nil || out.Result.Status != cupel.StatusCompileError || out.Compile.Status != cupel.StatusNonzero {
		t.Errorf("got %+v, %v", out.Result, err)
	}
	if !strings.Contains(string(out.CompileStderr), "main.c") {
		t.Errorf("the compiler said %q", out.CompileStderr)
	}
}

// A toolchain that isn't there is no failed answer, and an answer that exits
// with 127 is no missing toolchain.
func TestMissingToolchain(t *testing.T) {
	for _, name := range []string{"python", "cpp"} {
		l := language(t, name)
		p := lang.Program{Language: l, Source: []byte("x")}
		sb := langtest.Sandbox(t, cupel.Spec{Limits: p.SpecLimits()}, l.Needs)
		_, err := lang.Run(t.Context(), sb, p)
		if cupel.KindOf(err) != cupel.Unsupported || cupel.HintOf(err) != l.Install {
			t.Errorf("%s: got %v with hint %q", name, err, cupel.HintOf(err))
		}
	}
	p := lang.Program{Language: language(t, "bash"), Source: []byte("exit 127")}
	out, err := lang.Run(t.Context(), langtest.Sandbox(t, cupel.Spec{}), p)
	if err != nil || out.Result.ExitCode != 127 {
		t.Errorf("exit 127: got %+v, %v", out.Result, err)
	}
}

func TestFilesBesideTheSource(t *testing.T) {
	bash := language(t, "bash")
	var stdout bytes.Buffer
	p := lang.Program{
		Language: bash, Source: []byte("cat data/in.txt"), Dir: "/work/one",
		Files: map[string][]byte{"data/in.txt": []byte("beside")}, Stdout: &stdout,
	}
	sb := langtest.Sandbox(t, cupel.Spec{})
	if _, err := lang.Run(t.Context(), sb, p); err != nil || stdout.String() != "beside" {
		t.Errorf("got %q, %v", stdout.String(), err)
	}
	p.Files["main.sh"] = []byte("other")
	if _, err := lang.Run(t.Context(), sb, p); cupel.KindOf(err) != cupel.Invalid {
		t.Errorf("a file in the source's place: %v", err)
	}
	p.Files = map[string][]byte{"../out": nil}
	if _, err := lang.Run(t.Context(), sb, p); cupel.KindOf(err) != cupel.Invalid {
		t.Errorf("a file outside: %v", err)
	}
}

func TestSpecLimitsHoldBothSteps(t *testing.T) {
	p := lang.Program{
		Language:      language(t, "c"),
		Limits:        cupel.Limits{Time: time.Second, Memory: 64 * cupel.MiB},
		CompileLimits: cupel.Limits{Memory: cupel.GiB},
	}
	got := p.SpecLimits()
	if got.Time != lang.DefaultCompileTime || got.CPUTime != lang.DefaultCompileTime || got.Memory != cupel.GiB {
		t.Errorf("got %+v", got)
	}
	p.Language = language(t, "bash")
	if got := p.SpecLimits(); got.Time != time.Second || got.Memory != 64*cupel.MiB {
		t.Errorf("without a compile step: %+v", got)
	}
}
