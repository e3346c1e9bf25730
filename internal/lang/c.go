package lang

var c = Language{
	Name:     "c",
	Suffixes: []string{".c"},
	File:     "main.c",
	Compile:  []string{"gcc", "-O2", "-std=c17", "-o", "app", "main.c", "-lm"},
	Run:      []string{"./app"},
	Version:  []string{"gcc", "--version"},
	Needs:    "gcc",
	Install:  "apt install gcc libc6-dev",
}
