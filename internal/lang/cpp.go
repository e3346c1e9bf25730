package lang

var cpp = Language{
	Name:     "cpp",
	Aliases:  []string{"c++", "cxx"},
	Suffixes: []string{".cpp", ".cc", ".cxx", ".C"},
	File:     "main.cpp",
	Compile:  []string{"g++", "-O2", "-std=c++17", "-pthread", "-o", "app", "main.cpp"},
	Run:      []string{"./app"},
	Version:  []string{"g++", "--version"},
	Needs:    "g++",
	Install:  "apt install g++",
}
