package lang

var python = Language{
	Name:     "python",
	Aliases:  []string{"py", "python3"},
	Suffixes: []string{".py"},
	File:     "main.py",
	Run:      []string{"python3", "main.py"},
	Version:  []string{"python3", "--version"},
	Needs:    "python3",
	Install:  "apt install python3",
}
