package cupel_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const modulePath = "cupel.dev/cupel"

// layer is a row of the import rule: what the packages under path may import
// of this module and of others, besides the standard library and their own
// children. ARCHITECTURE.md shows the same table.
type layer struct {
	path    string
	module  []string
	foreign []string
}

// layers is the import rule. The longest path that fits a package decides;
// "X/..." stands for X and all below it.
var layers = []layer{
	{path: "."},
	{path: "enginetest", module: []string{"."}},
	{path: "internal/nearest"},
	{path: "internal/linux", module: []string{"internal/linux/..."}, foreign: []string{"golang.org/x/sys/unix", "unsafe"}},
	{path: "internal/oci", module: []string{"internal/oci/...", "internal/linux/..."}},
	{path: "internal/lang", module: []string{".", "internal/nearest"}},
	{path: "internal/engine/native", module: []string{".", "internal/lang", "internal/linux/...", "internal/oci/...", "internal/nearest"}},
	{path: "internal/engine/fake", module: []string{"."}},
	{path: "engines", module: []string{".", "internal/engine/native", "internal/engine/remote", "internal/nearest"}},
	{path: "internal/wire"},
	{path: "internal/door", module: []string{"."}, foreign: []string{"github.com/prometheus/client_golang/"}},
	{path: "internal/compat/enclave", module: []string{".", "service", "internal/door", "internal/wire/enclave", "internal/lang", "internal/nearest", "internal/linux/peer"}},
	{path: "internal/server", module: []string{".", "api", "service", "internal/door", "internal/lang", "internal/nearest"}},
	{path: "internal/engine/remote", module: []string{".", "internal/wire/enclave", "internal/nearest"}},
	{path: "api", module: []string{"."}},
	{path: "client", module: []string{".", "api"}},
	{path: "service", module: []string{".", "internal/lang"}},
	{path: "internal/harness", module: []string{".", "service", "internal/lang", "internal/harness/...", "internal/nearest"},
		foreign: []string{"github.com/jedib0t/go-pretty/v6/", "golang.org/x/sync/", "golang.org/x/term"}},
	{path: "internal/bench", module: []string{".", "engines", "service"}},
	{path: "cmd/cupel", module: []string{"./..."},
		foreign: []string{"github.com/jedib0t/go-pretty/v6/", "github.com/spf13/", "golang.org/x/sync/", "golang.org/x/term", "github.com/goccy/go-yaml", "github.com/prometheus/client_golang/"}},
	{path: "scripts"},
	{path: "e2e", foreign: []string{"unsafe"}},
}

// forbidden are packages of the standard library that a layer has no use for.
var forbidden = map[string][]string{
	"service": {"net/http"},
	".":       {"net/http", "os/exec", "syscall"},
}

type goPackage struct {
	ImportPath, Dir                                    string
	Imports                                            []string
	GoFiles, TestGoFiles, XTestGoFiles, IgnoredGoFiles []string
}

// listPackages asks go list about all packages of the module, as seen from an
// operating system.
func listPackages(t *testing.T, goos string) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,GoFiles,TestGoFiles,XTestGoFiles,IgnoredGoFiles", "./...")
	cmd.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

func TestImportRule(t *testing.T) {
	for _, goos := range []string{"linux", "darwin"} {
		for _, p := range listPackages(t, goos) {
			path := inModule(p.ImportPath)
			l := layerOf(path)
			if l == nil {
				t.Errorf("%s is in no layer: write a row for it in deps_test.go and ARCHITECTURE.md", path)
				continue
			}
			for _, imported := range p.Imports {
				if !l.mayImport(path, imported) {
					t.Errorf("%s imports %s, which the layer %s may not", path, imported, l.path)
				}
			}
		}
	}
}

// TestImportRuleIsNeeded fails for a row that no package stands behind.
func TestImportRuleIsNeeded(t *testing.T) {
	used := map[string]bool{}
	for _, p := range listPackages(t, "linux") {
		if l := layerOf(inModule(p.ImportPath)); l != nil {
			used[l.path] = true
		}
	}
	for _, l := range layers {
		if !used[l.path] {
			t.Errorf("no package is in the layer %s", l.path)
		}
	}
}

// TestArchitectureShowsTheRule compares the rows here with the table that
// people read.
func TestArchitectureShowsTheRule(t *testing.T) {
	doc := readFile(t, "ARCHITECTURE.md")
	for _, l := range layers {
		name := l.path
		if name == "." {
			name = "root"
		}
		if !strings.Contains(doc, "\n| `"+name+"`") {
			t.Errorf("ARCHITECTURE.md has no row for %s", name)
		}
	}
	if n := strings.Count(doc, "\n"); n > 150 {
		t.Errorf("ARCHITECTURE.md has %d lines, more than 150", n)
	}
}

func (l *layer) mayImport(importer, imported string) bool {
	if !strings.HasPrefix(imported, modulePath) {
		if !strings.Contains(strings.Split(imported, "/")[0], ".") && imported != "unsafe" {
			return !slices.Contains(forbidden[l.path], imported)
		}
		return slices.ContainsFunc(l.foreign, func(f string) bool {
			return imported == f || strings.HasSuffix(f, "/") && strings.HasPrefix(imported, f)
		})
	}
	path := inModule(imported)
	if l.path != "." && within(path, l.path+"/...") && (within(importer, l.path+"/...")) {
		return true
	}
	return slices.ContainsFunc(l.module, func(m string) bool { return within(path, m) })
}

func layerOf(path string) *layer {
	var best *layer
	for i, l := range layers {
		fits := path == l.path || l.path != "." && strings.HasPrefix(path, l.path+"/")
		if fits && (best == nil || len(l.path) > len(best.path)) {
			best = &layers[i]
		}
	}
	return best
}

// within reports whether the package path is meant by pattern.
func within(path, pattern string) bool {
	base, all := strings.CutSuffix(pattern, "/...")
	return path == base || all && (base == "." || strings.HasPrefix(path, base+"/"))
}

// inModule is an import path below the module, "." for the root.
func inModule(path string) string {
	if path == modulePath {
		return "."
	}
	return strings.TrimPrefix(path, modulePath+"/")
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
