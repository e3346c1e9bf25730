package hostimage

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// prefixOf returns the tree that the program real, called name, was installed
// as, or "": what lies in a bin directory belongs to the directory above it
// when that has the libraries to show for it.
func prefixOf(name, real string) string {
	dir := filepath.Dir(real)
	above := filepath.Dir(dir)
	inBin := filepath.Base(dir) == "bin"
	switch {
	case strings.HasPrefix(name, "python"):
		if inBin && isPythonPrefix(above) {
			return above
		}
		return ""
	case name == "go":
		if inBin && exists(above, "pkg/tool") && exists(above, "src/runtime") {
			return above
		}
		return ""
	case name == "java" || name == "javac":
		if inBin && (exists(above, "lib/modules") || exists(above, "lib/rt.jar") || exists(above, "jre")) {
			return above
		}
		return ""
	case name == "rustc" || name == "cargo":
		if inBin && exists(above, "lib/rustlib") {
			return above
		}
		return ""
	case inBin && (exists(above, "lib") || exists(above, "libexec") || exists(above, "include")):
		return above
	case !inBin && (exists(dir, "lib") || exists(dir, "host")): // zig, dotnet
		return dir
	}
	return ""
}

// needsPrefix names the programs that can do nothing as a lone file.
func needsPrefix(name string) bool {
	return strings.HasPrefix(name, "python") ||
		slices.Contains([]string{"go", "java", "javac", "rustc", "cargo", "ruby", "perl", "dotnet", "zig"}, name)
}

func isPythonPrefix(dir string) bool {
	found, _ := filepath.Glob(filepath.Join(dir, "lib*", "python[23].*", "os.py"))
	return len(found) > 0
}

func exists(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}
