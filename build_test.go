package cupel_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBuildsElsewhere compiles all packages and tests for the systems where
// the native engine only says no.
func TestBuildsElsewhere(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles for two other systems")
	}
	for _, place := range []string{"darwin/arm64", "linux/arm64"} {
		t.Run(place, func(t *testing.T) {
			goos, goarch, _ := strings.Cut(place, "/")
			for _, args := range [][]string{{"build", "./..."}, {"vet", "./..."}} {
				cmd := exec.Command("go", args...)
				cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("go %s: %v\n%s", args[0], err, out)
				}
			}
		})
	}
}

// TestEmbed builds and runs a program of another module that embeds cupel.
func TestEmbed(t *testing.T) {
	const dir, most = "testdata/embed", 15
	if n := codeLines(readFile(t, filepath.Join(dir, "main.go"))); n > most {
		t.Errorf("embedding cupel takes %d lines, more than %d", n, most)
	}
	program := filepath.Join(t.TempDir(), "embed")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	run := exec.Command(program)
	run.Env = append(os.Environ(), "CUPEL_CACHE="+t.TempDir())
	if out, err := run.CombinedOutput(); err != nil || string(out) != "hello from inside\nok\nerror: <nil>\n" {
		t.Errorf("run: %v\n%s", err, out)
	}
}

// codeLines counts the lines of main that are neither blank nor comments.
func codeLines(source string) (n int) {
	_, body, _ := strings.Cut(source, "\nfunc main() {\n")
	body = strings.TrimSuffix(body, "}\n")
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "//") {
			n++
		}
	}
	return n
}

// TestNoMachineInTheText finds paths of somebody's machine and hosts that
// packages came from in the files of the repository.
func TestNoMachineInTheText(t *testing.T) {
	// Joined so that this file doesn't hold them.
	words := []string{"/work" + "/main/", "/work" + "/shared", "/root" + "/go", "proxy." + "golang", "deb.debian" + ".org", "registry-1." + "docker"}
	out, err := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Skipf("not a git repository: %v", err)
	}
	for name := range strings.Lines(string(out)) {
		name = strings.TrimSpace(name)
		text, err := os.ReadFile(name)
		if err != nil || strings.HasSuffix(name, "go.sum") {
			continue // removed, or a link to a directory
		}
		for _, w := range words {
			if strings.Contains(string(text), w) {
				t.Errorf("%s mentions %s", name, w)
			}
		}
	}
}
