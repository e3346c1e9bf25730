package hostimage

// Plan is what to mount, and where, to show this machine's toolchains. It is
// plain data: making one mounts nothing.
type Plan struct {
	// Skeleton is the directory to mount as the root: directories 0755, files
	// 0644, every mount point in place. It is shared by all sandboxes and must
	// be shown read-only, or as the lower layer of an overlay.
	Skeleton string `json:"skeleton"`
	// Binds are the trees to show read-only, parents before what lies below
	// them. Each Target has its mount point in the skeleton or in an earlier
	// Bind, but where the engine covers a part of the skeleton (/tmp, /root)
	// by a mount of its own it makes the ones below it again, and the Links.
	Binds []Bind `json:"binds"`
	// Links are symbolic links that the skeleton holds because a program of
	// PATH is reached through them, such as ~/.local/bin/python3.
	Links []Link `json:"links,omitempty"`
	// Path is the PATH inside: the directories of the interpreters found, in
	// the order of the outer PATH, then the system's.
	Path []string `json:"path"`
	// Env is what the toolchains need besides PATH.
	Env map[string]string `json:"env,omitempty"`
	// Tools are the programs found, by name.
	Tools map[string]Tool `json:"tools"`
	// Skipped says which programs of PATH are not shown, and why.
	Skipped []Skip `json:"skipped,omitempty"`
	// Version is a fingerprint of the toolchains: it changes when a tree, PATH
	// or an interpreter does.
	Version string `json:"version"`
}

// Bind is a file or directory of the host shown read-only. Source and Target
// are the same path, but for an empty directory of the skeleton that hides a
// home directory below /usr.
type Bind struct {
	Source string `json:"source"`
	Target string `json:"target"`
}

// Link is a symbolic link.
type Link struct {
	Path   string `json:"path"`
	Target string `json:"target"`
}

// Tool is one program found.
type Tool struct {
	// Path is where the program is found inside, a directory of Plan.Path
	// joined with its name.
	Path string `json:"path"`
	// Real is Path with every link resolved.
	Real string `json:"real"`
}

// Skip is a program of PATH that is not shown.
type Skip struct {
	Name   string `json:"name"`
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// Config says what to plan for. CacheDir is needed.
type Config struct {
	// CacheDir is where the skeleton and the plan are kept. It is created if
	// missing and must belong to the caller.
	CacheDir string
	// Path is the PATH to search. Default: $PATH.
	Path string
	// Tools are the names to look for. Default: DefaultTools.
	Tools []string
	// Owner is the host id that the skeleton belongs to, for a caller who is
	// root: the one that is shown as 0 inside. Default: the caller.
	Owner int
}

// DefaultTools are the programs looked for when Config names none, an
// interpreter before what belongs to it.
var DefaultTools = []string{
	"python3", "python", "node", "go", "rustc", "cargo", "java", "javac",
	"gcc", "g++", "cc", "c++", "clang", "clang++", "gfortran",
	"ruby", "perl", "php", "lua", "luajit", "R", "Rscript", "julia",
	"tsc", "ts-node", "deno", "bun", "dotnet", "mono", "mcs", "kotlinc", "kotlin",
	"scala", "scalac", "ghc", "runghc", "swift", "swiftc", "dart", "zig", "nim",
	"ocaml", "racket", "sbcl", "elixir", "erl", "dmd",
}
