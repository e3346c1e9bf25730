package hostimage

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// survey collects what a plan shows while the machine is looked over.
type survey struct {
	config  Config
	homes   []string
	private []string // what no tree may show, wherever it lies
	masked  []string // those of them that lie in a tree that is shown
	binds   []Bind
	links   []Link
	path    []string
	found   map[string]Tool
	skipped []Skip
	watched map[string]stamp
}

func newSurvey(c Config) *survey {
	return &survey{
		config: c, homes: homeDirs(), private: privateDirs(c),
		found: map[string]Tool{}, watched: map[string]stamp{},
	}
}

// systemPath ends every PATH inside.
var systemPath = []string{"/usr/local/bin", "/usr/bin", "/bin"}

// systemTrees adds what every program needs: /usr, the root's own library and
// program directories where they are not links into /usr, and /opt.
func (s *survey) systemTrees() {
	s.watch("/", "/usr", "/opt")
	s.bind("/usr")
	for _, p := range s.private {
		if below(p, "/usr") {
			s.masked = append(s.masked, p)
		}
	}
	for _, dir := range rootDirs() {
		if fi, err := os.Lstat(dir); err == nil && fi.IsDir() {
			s.bind(dir)
		}
	}
	s.bindAround("/opt")
}

// bindAround shows dir if there is something in it; where a private directory
// lies below it, its other entries one by one.
func (s *survey) bindAround(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		return
	}
	if !slices.ContainsFunc(s.private, func(p string) bool { return p == dir || below(p, dir) }) {
		s.bind(dir)
		return
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if e.IsDir() && !slices.ContainsFunc(s.private, func(p string) bool { return p == dir || p == path || below(p, path) }) {
			s.bind(path)
		}
	}
}

// rootDirs are /bin, /sbin and every /lib*.
func rootDirs() []string {
	libs, _ := filepath.Glob("/lib*")
	return append([]string{"/bin", "/sbin"}, libs...)
}

// bind shows dir, which has no link in it, at its own path.
func (s *survey) bind(path string) {
	if _, err := os.Lstat(path); err != nil || s.covered(path) {
		return
	}
	s.binds = slices.DeleteFunc(s.binds, func(b Bind) bool { return below(b.Source, path) })
	s.binds = append(s.binds, Bind{Source: path, Target: path})
}

// covered reports whether a bind shows path, which has no link in it.
func (s *survey) covered(path string) bool {
	return slices.ContainsFunc(s.binds, func(b Bind) bool { return path == b.Source || below(path, b.Source) })
}

// shown reports whether path leads to something that a bind shows.
func (s *survey) shown(path string) bool {
	real, _, err := follow(path)
	return err == nil && s.covered(real)
}

func below(path, dir string) bool {
	return strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

func (s *survey) addPath(dir string) {
	if !slices.Contains(s.path, dir) {
		s.path = append(s.path, dir)
	}
}

// addLinks keeps the links that no bind shows.
func (s *survey) addLinks(links []Link) {
	for _, l := range links {
		if !s.covered(l.Path) && !isRootLink(l.Path) && !slices.Contains(s.links, l) {
			s.links = append(s.links, l)
		}
	}
}

func isRootLink(path string) bool { return slices.Contains(rootDirs(), path) }

// watch remembers the paths as they are now; watching is done before looking,
// so that a change in between makes the plan stale rather than wrong.
func (s *survey) watch(paths ...string) {
	for _, p := range paths {
		if _, ok := s.watched[p]; !ok {
			s.watched[p] = stampOf(p)
		}
	}
}

func (s *survey) stamps() []stamp {
	out := make([]stamp, 0, len(s.watched))
	for _, p := range slices.Sorted(maps.Keys(s.watched)) {
		out = append(out, s.watched[p])
	}
	return out
}

func (s *survey) skip(name, path, reason string) {
	s.skipped = append(s.skipped, Skip{Name: name, Path: path, Reason: reason})
}

// tools looks every name up in PATH and shows what it finds.
func (s *survey) tools(ctx context.Context) error {
	dirs := searchDirs(s.config.Path)
	s.watch(dirs...)
	candidates := map[string][]candidate{}
	for _, name := range s.config.Tools {
		candidates[name] = s.find(name, dirs)
	}
	answers := askShims(ctx, candidates)
	if err := ctx.Err(); err != nil {
		return err
	}
	chosen := map[string]string{} // directory of the outer PATH → of the inner
	for _, name := range s.config.Tools {
		for _, c := range candidates[name] {
			inner, reason := s.show(c, answers[c.path])
			if reason != "" {
				s.skip(name, c.path, reason)
				continue
			}
			if _, ok := chosen[inner]; !ok {
				chosen[inner] = c.dir
			}
			break
		}
	}
	s.orderPath(dirs, chosen)
	return nil
}

// orderPath makes the inner PATH follow the outer one, the system's own
// directories included: what comes first outside comes first inside.
func (s *survey) orderPath(dirs []string, chosen map[string]string) {
	for _, dir := range dirs {
		if slices.Contains(systemPath, dir) && s.shown(dir) {
			s.addPath(dir)
		}
		for _, inner := range slices.Sorted(maps.Keys(chosen)) {
			if chosen[inner] == dir {
				s.addPath(inner)
			}
		}
	}
}

// searchDirs splits PATH; relative directories mean nothing in a sandbox.
func searchDirs(path string) []string {
	var dirs []string
	for _, d := range filepath.SplitList(path) {
		if d = filepath.Clean(d); filepath.IsAbs(d) && !slices.Contains(dirs, d) {
			dirs = append(dirs, d)
		}
	}
	return dirs
}
