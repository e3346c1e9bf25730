package lang

var javascript = Language{
	Name:     "javascript",
	Aliases:  []string{"js", "node", "nodejs"},
	Suffixes: []string{".js", ".mjs", ".cjs"},
	File:     "main.js",
	Run:      []string{"node", "main.js"},
	Version:  []string{"node", "--version"},
	Needs:    "node",
	Install:  "apt install nodejs",
}
