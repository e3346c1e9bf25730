package hostimage

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// schema numbers the format of plan files and the rules that made them: raising
// it makes every kept plan stale.
const schema = 1

type planFile struct {
	Schema int     `json:"schema"`
	Plan   Plan    `json:"plan"`
	Stamps []stamp `json:"stamps"`
}

// stamp is what is remembered of a path to see that it is still the same. A
// path that was not there, or not reachable, has Size -1.
type stamp struct {
	Path  string `json:"path"`
	Size  int64  `json:"size"`
	Mtime int64  `json:"mtime"`
	Inode uint64 `json:"inode"`
	Mode  uint32 `json:"mode"`
}

// stampOf follows links: what matters is what a program would find there.
func stampOf(path string) stamp {
	var st syscall.Stat_t
	if syscall.Stat(path, &st) != nil {
		return stamp{Path: path, Size: -1}
	}
	size := st.Size
	if st.Mode&syscall.S_IFMT == syscall.S_IFDIR {
		size = 0
	}
	return stamp{Path: path, Size: size, Mtime: st.Mtim.Nano(), Inode: st.Ino, Mode: st.Mode}
}

// environment are the variables that decide what a shim stands for, or where
// its files are.
var environment = []string{
	"HOME", "PYENV_ROOT", "PYENV_VERSION", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "CARGO_HOME",
	"VOLTA_HOME", "NVM_DIR", "NVM_BIN", "RBENV_ROOT", "RBENV_VERSION", "ASDF_DIR", "ASDF_DATA_DIR",
	"MISE_DATA_DIR", "GOROOT", "JAVA_HOME", "LD_LIBRARY_PATH",
}

// cacheFile names the plan of c: everything that the request depends on, and
// that no stamp covers, is in the name.
func cacheFile(dir string, c Config) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d\x00%d\x00%d\x00%q\x00%q\x00", schema, os.Geteuid(), c.Owner, c.Path, c.Tools)
	for _, k := range environment {
		fmt.Fprintf(h, "%s=%q\x00", k, os.Getenv(k))
	}
	return filepath.Join(dir, "plan-"+hex.EncodeToString(h.Sum(nil))[:24]+".json")
}

// loadPlan returns the plan kept in file when all that it depends on is as it
// was. Anything wrong with the file means that there is none.
func loadPlan(file string) (Plan, bool) {
	b, err := os.ReadFile(file)
	if err != nil {
		return Plan{}, false
	}
	var f planFile
	if json.Unmarshal(b, &f) != nil || f.Schema != schema || len(f.Stamps) == 0 {
		return Plan{}, false
	}
	for _, s := range f.Stamps {
		if stampOf(s.Path) != s {
			return Plan{}, false
		}
	}
	return f.Plan, true
}

func storePlan(file string, p Plan, stamps []stamp) error {
	b, err := json.Marshal(planFile{Schema: schema, Plan: p, Stamps: stamps})
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".plan-")
	if err != nil {
		return err
	}
	_, err = tmp.Write(b)
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err
}
