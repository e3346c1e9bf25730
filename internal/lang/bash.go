package lang

var bash = Language{
	Name:     "bash",
	Aliases:  []string{"sh", "shell"},
	Suffixes: []string{".sh", ".bash"},
	File:     "main.sh",
	Run:      []string{"bash", "main.sh"},
	Version:  []string{"bash", "--version"},
	Needs:    "bash",
	Install:  "apt install bash",
}
