package dataset

import (
	"cmp"
	"embed"
	"encoding/json"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"cupel.dev/cupel"
)

// Bundled is the name of the bundled set.
const Bundled = "demo"

// bundledFS holds a folder for each task: item.json, and an answer a file
// named KIND.suffix or KIND-NAME.suffix.
//
//go:embed bundled
var bundledFS embed.FS

// bundledItem is a task's item.json. It has cases, statements (asserts on the
// answer's names) or a test of an entry point.
type bundledItem struct {
	Language   string   `json:"language"`
	Prompt     string   `json:"prompt"`
	CPU        float64  `json:"cpu_s"`
	Wall       float64  `json:"wall_s"`
	MemoryMiB  int      `json:"memory_mib"`
	DiskMiB    int      `json:"disk_mib"`
	OutputKiB  int      `json:"output_kib"`
	Processes  int      `json:"processes"`
	Cases      []Case   `json:"cases"`
	Statements []string `json:"statements"`
	EntryPoint string   `json:"entry_point"`
	Test       string   `json:"test"`
}

// bundledOrder puts what needs no toolchain first.
var bundledOrder = []string{"bash-sum", "bash-words", "bash-brackets", "python-merge", "python-roman", "c-primes"}

// kindOrder is the order of answers in a task, the right ones first: the first
// of all is the canonical one.
var kindOrder = []string{
	"right", "wrong", "compile", "loop", "sleep", "crash", "flood", "memory", "forkbomb", "disk", "cheat",
}

// reasons says how each kind has to fail where output is compared. A kind that
// is not listed may fail in any way: what a fork bomb or a full disk leads to
// differs between machines.
var reasons = map[string][]string{
	"wrong":   {"wrong answer"},
	"compile": {"compile error"},
	"loop":    {"time limit"},
	"sleep":   {"time limit"},
	"crash":   {"killed by SIGSEGV", "exit status", "memory limit"},
	"flood":   {"output limit"},
	"memory":  {"memory limit", "killed by", "exit status"},
}

func openBundled(_ string, a args) (*Set, error) {
	if err := a.noSplit("all"); err != nil {
		return nil, err
	}
	set := &Set{Name: Bundled, Subset: "default"}
	var all strings.Builder
	for _, id := range bundledOrder {
		s, err := readBundled(id, &all)
		if err != nil {
			return nil, cupel.Errorf(cupel.Internal, "bundled task "+id, "%w", err)
		}
		s.Dataset, s.Subset = set.Name, set.Subset
		if a.reviewTimeout > 0 {
			s.setTime(a.reviewTimeout)
		}
		set.Samples = append(set.Samples, s)
	}
	set.SHA256 = newFile("", []byte(all.String())).sha256
	set.Args = a.fingerprint("all", a.reviewTimeout)
	return set, nil
}

func readBundled(id string, all *strings.Builder) (Sample, error) {
	dir := path.Join("bundled", id)
	entries, err := bundledFS.ReadDir(dir)
	if err != nil {
		return Sample{}, err
	}
	raw, err := fs.ReadFile(bundledFS, path.Join(dir, "item.json"))
	if err != nil {
		return Sample{}, err
	}
	all.Write(raw)
	var item bundledItem
	if err := json.Unmarshal(raw, &item); err != nil {
		return Sample{}, err
	}
	s := item.sample(id)
	for _, e := range entries {
		if e.Name() == "item.json" {
			continue
		}
		text, err := fs.ReadFile(bundledFS, path.Join(dir, e.Name()))
		if err != nil {
			return Sample{}, err
		}
		all.WriteString(e.Name() + "\x00" + string(text) + "\x00")
		s.Answers = append(s.Answers, answer(e.Name(), string(text), s.Python == nil))
	}
	slices.SortFunc(s.Answers, func(a, b Answer) int {
		kinds := cmp.Compare(slices.Index(kindOrder, a.Kind), slices.Index(kindOrder, b.Kind))
		return cmp.Or(kinds, cmp.Compare(a.Name, b.Name))
	})
	s.Canonical = s.Answers[0].Text
	return s, nil
}

func (i bundledItem) sample(id string) Sample {
	s := Sample{
		TaskID: id, Language: i.Language, Prompt: i.Prompt, Cases: i.Cases,
		CPULimit:  time.Duration(i.CPU * float64(time.Second)),
		WallLimit: time.Duration(i.Wall * float64(time.Second)),
		Limits: cupel.Limits{
			Memory: cupel.Size(i.MemoryMiB) * cupel.MiB, Disk: cupel.Size(i.DiskMiB) * cupel.MiB,
			Output: cupel.Size(i.OutputKiB) * cupel.KiB, Processes: i.Processes,
		},
	}
	switch {
	case i.Statements != nil:
		s.Python = &PythonTest{Form: FormAsserts, Test: strings.Join(i.Statements, "\n")}
	case i.EntryPoint != "":
		s.Python = &PythonTest{
			Form: FormCheck, EntryPoint: i.EntryPoint, Test: i.Test, Preamble: preamble(i.Prompt, i.EntryPoint),
		}
	}
	return s
}

// answer makes an Answer of a file "KIND-NAME_OF_IT.suffix".
func answer(file, text string, compared bool) Answer {
	stem := strings.TrimSuffix(file, path.Ext(file))
	kind, name, _ := strings.Cut(stem, "-")
	a := Answer{Kind: kind, Name: strings.ReplaceAll(name, "_", " "), Text: text, Passes: kind == "right"}
	if compared {
		a.Reasons = reasons[kind]
	}
	return a
}
