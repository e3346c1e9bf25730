// Package lang knows how each language is run: the file its source goes to,
// the command that compiles it, the one that runs it and the package that
// brings its toolchain.
//
// A language is one file of this package and one line in languages; nothing
// else in the module lists them. A toolchain that is missing in the sandbox is
// an error of kind Unsupported that names what to install, never a Result: an
// answer can't fail for it.
package lang

import (
	"path"
	"slices"
	"strings"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/nearest"
)

// Language says how programs of one language are compiled and run.
type Language struct {
	// Name is the language's own, lower case; Aliases are accepted for it.
	Name    string
	Aliases []string
	// Suffixes of files in this language, each with its dot.
	Suffixes []string
	// File is the name that the source gets in the work directory.
	File string
	// Compile is the command that builds the program there, nil if none.
	Compile []string
	// Run is the command that starts it; the program's arguments follow.
	Run []string
	// Version is a command whose first line of output is the toolchain's
	// version.
	Version []string
	// Needs is the program that must be in the sandbox's PATH, and Install
	// the command that brings it: "apt install gcc".
	Needs, Install string
}

// languages is the closed list, in the order that people are shown.
var languages = []Language{python, bash, javascript, c, cpp}

// All returns every language.
func All() []Language { return slices.Clone(languages) }

// Names returns every language's name.
func Names() []string {
	names := make([]string, len(languages))
	for i, l := range languages {
		names[i] = l.Name
	}
	return names
}

// Lookup finds a language by its name or an alias, in any case. The error is
// of kind Invalid and names the nearest right one.
func Lookup(name string) (Language, error) {
	low := strings.ToLower(strings.TrimSpace(name))
	for _, l := range languages {
		if l.Name == low || slices.Contains(l.Aliases, low) {
			return l, nil
		}
	}
	return Language{}, cupel.Invalidf("language", name, nearest.Fix(low, Names()))
}

// BySuffix finds the language of a file by its name's suffix, in any case but
// that of ".C", which is C++.
func BySuffix(file string) (Language, bool) {
	suffix := path.Ext(file)
	if suffix == "" {
		return Language{}, false
	}
	for _, want := range []string{suffix, strings.ToLower(suffix)} {
		for _, l := range languages {
			if slices.Contains(l.Suffixes, want) {
				return l, true
			}
		}
	}
	return Language{}, false
}
