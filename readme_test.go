package cupel_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// examples finds the blocks that are marked as examples, and whether they take
// long.
var examples = regexp.MustCompile("(?s)<!-- example(: slow)? -->\n```console\n(.*?)```\n")

// TestReadmeExamples runs the examples of README and the guides: after "$ " a
// command, below it what it writes to stdout, where a line "…" stands for any
// lines.
func TestReadmeExamples(t *testing.T) {
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "bin", "cupel"), "./cmd/cupel")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	guides, err := filepath.Glob("docs/guides/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range append([]string{"README.md"}, guides...) {
		for _, block := range examples.FindAllStringSubmatch(readFile(t, file), -1) {
			found++
			if block[1] != "" && testing.Short() {
				continue
			}
			for _, example := range strings.Split("\n"+block[2], "\n$ ")[1:] {
				command, want, _ := strings.Cut(example, "\n")
				runExample(t, dir, file, command, want)
			}
		}
	}
	if found < 2 {
		t.Errorf("%d examples are marked", found)
	}
}

func runExample(t *testing.T, dir, file, command, want string) {
	t.Helper()
	cmd := exec.Command("bash", "-c", command)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s: %s: %v\n%s", file, command, err, &stderr)
	}
	if strings.Contains(string(out), "could not run here") {
		t.Logf("%s: %s: a toolchain is missing here", file, command)
		return
	}
	if !matches(strings.Split(strings.TrimSpace(want), "\n"), strings.Split(strings.TrimSpace(string(out)), "\n")) {
		t.Errorf("%s: %s prints\n%s%s\nnot\n%s", file, command, out, &stderr, want)
	}
}

// matches compares lines; "…" is any number of them.
func matches(want, got []string) bool {
	if len(want) == 0 {
		return len(got) == 0
	}
	if want[0] != "…" {
		return len(got) > 0 && want[0] == got[0] && matches(want[1:], got[1:])
	}
	for i := range len(got) + 1 {
		if matches(want[1:], got[i:]) {
			return true
		}
	}
	return false
}

// TestReadmeShowsTheEmbedding keeps the program in README the one that is
// built and run.
func TestReadmeShowsTheEmbedding(t *testing.T) {
	_, body, _ := strings.Cut(readFile(t, "testdata/embed/main.go"), "\nfunc main() {\n")
	if !strings.Contains(readFile(t, "README.md"), body+"```") {
		t.Error("README.md shows another program than testdata/embed/main.go")
	}
}

// TestDocumentsLinkToWhatIsThere follows the links to files.
func TestDocumentsLinkToWhatIsThere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#]+)[^)]*\)`)
	documents, err := filepath.Glob("docs/*/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(documents, "README.md", "ARCHITECTURE.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md") {
		for _, m := range link.FindAllStringSubmatch(readFile(t, file), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", file, m[1], err)
			}
		}
	}
}
