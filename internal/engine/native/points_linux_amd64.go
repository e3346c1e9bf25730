package native

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/linux/space"
)

// A point is a place in a sandbox where something is mounted, or a small file
// or link of ours.
type point struct {
	path string
	kind pointKind
	text string // a file's content, a link's target
	mode os.FileMode
}

type pointKind byte

const (
	dirPoint  pointKind = 'd'
	filePoint pointKind = 'f'
	linkPoint pointKind = 'l'
)

// withPoints returns the trees with a layer on top of each that lacks some of
// the points. Layers are made once and kept, named by their content.
func (im *images) withPoints(trees []space.Tree, points []point) ([]space.Tree, error) {
	out := append([]space.Tree(nil), trees...)
	wanted := make([][]point, len(trees))
	for _, p := range points {
		i := treeOf(trees, p.path)
		there, err := existing(trees[i], p)
		if err != nil {
			return nil, err
		}
		if !there {
			wanted[i] = append(wanted[i], p)
		}
	}
	for i, list := range wanted {
		if len(list) == 0 {
			continue
		}
		if !trees[i].Overlay {
			return nil, cupel.Invalidf("mount target", list[0].path, "it does not exist in the image and can't be made there")
		}
		dir, err := im.pointLayer(trees[i].Target, list)
		if err != nil {
			return nil, cacheError(err)
		}
		out[i].Layers = append([]string{dir}, trees[i].Layers...)
	}
	return out, nil
}

// treeOf is the index of the tree that path lies in.
func treeOf(trees []space.Tree, p string) int {
	best := 0
	for i, t := range trees {
		if strings.HasPrefix(p, strings.TrimSuffix(t.Target, "/")+"/") && len(t.Target) > len(trees[best].Target) {
			best = i
		}
	}
	return best
}

// existing reports whether the tree has p already, as the right kind. A link
// on the way is refused: a mount there would land elsewhere.
func existing(t space.Tree, p point) (bool, error) {
	rel := strings.TrimPrefix(strings.TrimPrefix(p.path, t.Target), "/")
	for _, layer := range t.Layers {
		at := layer
		parts := strings.Split(rel, "/")
		for i, part := range parts {
			at = filepath.Join(at, part)
			info, err := os.Lstat(at)
			if errors.Is(err, os.ErrNotExist) {
				break
			}
			if err != nil {
				return false, imageError(layer, err)
			}
			last := i == len(parts)-1
			if last && p.kind == linkPoint {
				return true, nil // whatever the image has there is right for it
			}
			if info.Mode()&os.ModeSymlink != 0 {
				return false, cupel.Invalidf("path inside", p.path, "the image has a link on the way to it; give the path that it leads to")
			}
			if !last && !info.IsDir() || last && info.IsDir() != (p.kind == dirPoint) {
				return false, cupel.Invalidf("path inside", p.path, "the image has something of another kind there")
			}
			if last {
				return true, nil
			}
		}
	}
	return false, nil
}

// pointLayer makes, or finds, the directory that holds the points.
func (im *images) pointLayer(target string, points []point) (string, error) {
	sort.Slice(points, func(i, j int) bool { return points[i].path < points[j].path })
	h := sha256.New()
	fmt.Fprintf(h, "1 %s %d\n", target, im.ids.UIDBase)
	for _, p := range points {
		fmt.Fprintf(h, "%c %q %q %o\n", p.kind, p.path, p.text, p.mode)
	}
	dir := filepath.Join(im.cache, "points", hex.EncodeToString(h.Sum(nil)[:16]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := im.writePoints(tmp, target, points); err != nil {
		return "", err
	}
	if err := os.Rename(tmp, dir); err != nil && !errors.Is(err, os.ErrExist) {
		if _, there := os.Stat(dir); there != nil {
			return "", err
		}
	}
	return dir, nil
}

func (im *images) writePoints(root, target string, points []point) error {
	made := map[string]bool{}
	own := func(file string) error {
		if im.ids.Single() {
			return nil
		}
		return os.Lchown(file, im.ids.UIDBase, im.ids.GIDBase)
	}
	var mkdir func(rel string, mode os.FileMode) error
	mkdir = func(rel string, mode os.FileMode) error {
		if made[rel] {
			return nil
		}
		made[rel] = true
		at := filepath.Join(root, rel)
		if rel != "." {
			if err := mkdir(path.Dir(rel), 0o755); err != nil {
				return err
			}
			if err := os.Mkdir(at, 0o755); err != nil {
				return err
			}
		}
		if err := os.Chmod(at, mode); err != nil {
			return err
		}
		return own(at)
	}
	for _, p := range points {
		rel := strings.TrimPrefix(strings.TrimPrefix(p.path, target), "/")
		if p.kind == dirPoint {
			if err := mkdir(rel, p.mode); err != nil {
				return err
			}
			continue
		}
		if err := mkdir(path.Dir(rel), 0o755); err != nil {
			return err
		}
		at := filepath.Join(root, rel)
		var err error
		if p.kind == linkPoint {
			err = os.Symlink(p.text, at)
		} else {
			err = os.WriteFile(at, []byte(p.text), 0o644)
		}
		if err == nil {
			err = own(at)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
