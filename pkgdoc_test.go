package cupel_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Sizes, in lines. Files above askFile are listed; more than refuse fails.
const askFile, refuseFile, refuseFunc = 350, 600, 100

// TestPackageComments finds exactly one package comment in each package, over
// all operating systems together.
func TestPackageComments(t *testing.T) {
	for _, p := range listPackages(t, "linux") {
		if len(p.GoFiles) == 0 {
			continue // tests only
		}
		var commented []string
		for _, name := range slices.Concat(p.GoFiles, p.IgnoredGoFiles) {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.PackageClauseOnly)
			if err != nil {
				t.Error(err)
			} else if file.Doc != nil && strings.TrimSpace(file.Doc.Text()) != "" {
				commented = append(commented, name)
			}
		}
		if len(commented) != 1 {
			t.Errorf("%s has package comments in %v, want exactly one", inModule(p.ImportPath), commented)
		}
	}
}

// TestSizes refuses files and functions that nobody reads to the end.
func TestSizes(t *testing.T) {
	for _, p := range listPackages(t, "linux") {
		for _, name := range slices.Concat(p.GoFiles, p.IgnoredGoFiles, p.TestGoFiles, p.XTestGoFiles) {
			path := filepath.Join(p.Dir, name)
			n := strings.Count(readFile(t, path), "\n")
			where := inModule(p.ImportPath) + "/" + name
			if n > refuseFile {
				t.Errorf("%s has %d lines, more than %d", where, n, refuseFile)
			} else if n > askFile {
				t.Logf("%s has %d lines: could it be two files?", where, n)
			}
			if strings.HasSuffix(name, "_test.go") {
				continue // a table of cases is as long as it has to be
			}
			for _, f := range longFunctions(t, path) {
				t.Errorf("%s: %s is longer than %d lines", where, f, refuseFunc)
			}
		}
	}
}

func longFunctions(t *testing.T, path string) (names []string) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if ok && set.Position(f.End()).Line-set.Position(f.Pos()).Line >= refuseFunc {
			names = append(names, f.Name.Name)
		}
	}
	return names
}
