package hostimage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"cupel.dev/cupel"
)

// New plans the host image. When the cache holds a plan for the same request
// and nothing that it depends on has changed, New reads that file, compares
// stamps and starts no process. Otherwise it resolves the interpreters, which
// runs each shim once with a time limit, and builds the skeleton. It is safe to
// call from several goroutines and processes at once.
//
// Errors are *cupel.Error: Invalid for the Config, Unavailable when the cache
// directory can't be used, Canceled when ctx ended.
func New(ctx context.Context, c Config) (Plan, error) {
	c, err := c.complete()
	if err != nil {
		return Plan{}, err
	}
	dir := filepath.Join(c.CacheDir, "host")
	if err := usableDir(dir); err != nil {
		return Plan{}, err
	}
	entry := cacheFile(dir, c)
	plan, ok := loadPlan(entry)
	if !ok {
		var stamps []stamp
		if plan, stamps, err = resolve(ctx, c, dir); err != nil {
			return Plan{}, err
		}
		if err := storePlan(entry, plan, stamps); err != nil {
			return Plan{}, cupel.Errorf(cupel.Unavailable, "keep the plan of the host image", "%w", err)
		}
	}
	plan.Binds, err = withSubmounts(plan.Binds)
	if err != nil {
		return Plan{}, cupel.Errorf(cupel.Internal, "read the mount table", "%w", err)
	}
	return plan, nil
}

func (c Config) complete() (Config, error) {
	if c.CacheDir == "" {
		return c, cupel.Invalidf("cache directory", "", "name one")
	}
	abs, err := filepath.Abs(c.CacheDir)
	if err != nil {
		return c, cupel.Errorf(cupel.Unavailable, "find the cache directory", "%w", err)
	}
	c.CacheDir = abs
	if c.Path == "" {
		c.Path = os.Getenv("PATH")
	}
	if len(c.Tools) == 0 {
		c.Tools = DefaultTools
	}
	if os.Geteuid() != 0 {
		c.Owner = os.Geteuid()
	}
	return c, nil
}

// usableDir makes dir. One that others can write to is refused: a plan decides
// what of the host is shown.
func usableDir(dir string) error {
	const op = "use the cache directory"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return cupel.Errorf(cupel.Unavailable, op, "%w", err).WithHint("set CUPEL_CACHE to a directory that you can write to")
	}
	fi, err := os.Lstat(dir)
	if err != nil {
		return cupel.Errorf(cupel.Unavailable, op, "%w", err)
	}
	owner := int(fi.Sys().(*syscall.Stat_t).Uid)
	if owner != os.Geteuid() || fi.Mode().Perm()&0o022 != 0 || !fi.IsDir() {
		return cupel.Errorf(cupel.Unavailable, op, "%s belongs to uid %d with mode %v: others could change what is shown", dir, owner, fi.Mode()).
			WithHint("set CUPEL_CACHE to a directory of your own")
	}
	return nil
}

// resolve makes the plan from the machine as it is now.
func resolve(ctx context.Context, c Config, dir string) (Plan, []stamp, error) {
	s := newSurvey(c)
	s.systemTrees()
	if err := s.tools(ctx); err != nil {
		return Plan{}, nil, cupel.Errorf(cupel.Canceled, "resolve the interpreters", "%w", err)
	}
	for _, p := range systemPath {
		if s.shown(p) {
			s.addPath(p)
		}
	}
	plan := Plan{
		Binds: s.binds, Links: s.links, Path: s.path,
		Env: map[string]string{}, Tools: s.found, Skipped: s.skipped,
	}
	if _, ok := plan.Tools["go"]; ok {
		plan.Env["GOTOOLCHAIN"] = "local" // never try to fetch another one
	}

	t := skeletonTree(s)
	skeleton, err := t.build(dir, c.Owner)
	if err != nil {
		return Plan{}, nil, cupel.Errorf(cupel.Unavailable, "build the skeleton of the host image", "%w", err)
	}
	plan.Skeleton = skeleton
	for _, p := range s.masked {
		plan.Binds = append(plan.Binds, Bind{Source: filepath.Join(skeleton, "var/empty"), Target: p})
	}
	slices.SortFunc(plan.Binds, byTarget)
	s.watch(skeleton, filepath.Join(skeleton, "etc"))
	plan.Version = fingerprint(plan)
	return plan, s.stamps(), nil
}

// fingerprint digests what answers depend on: the trees, and the tools by name,
// place, size and time. The copies of /etc are left out: a renewed certificate
// is no other toolchain.
func fingerprint(p Plan) string {
	h := sha256.New()
	fmt.Fprintln(h, schema, p.Links, p.Path, p.Env)
	for _, b := range p.Binds {
		fmt.Fprintln(h, b.Target)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Tools)) {
		t := p.Tools[name]
		st := stampOf(t.Real)
		fmt.Fprintln(h, name, t.Path, t.Real, st.Size, st.Mtime)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}
