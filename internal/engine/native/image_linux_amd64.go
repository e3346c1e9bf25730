package native

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/engine/native/hostimage"
	"cupel.dev/cupel/internal/linux/space"
	"cupel.dev/cupel/internal/oci/layer"
	"cupel.dev/cupel/internal/oci/store"
)

// image is a root file system ready to be mounted.
type image struct {
	trees []space.Tree // the root first
	path  []string
	own   bool // it has its own /tmp, home and so on: nothing of ours in it
}

// images resolves Spec.Image, the host's once per engine.
type images struct {
	cache string
	ids   space.IDs
	host  struct {
		sync.Mutex
		image *image
	}
	files struct {
		sync.Mutex
		store *store.Store
	}
}

var defaultPath = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// open returns the image called name: host, dir:PATH or tar:PATH.
func (im *images) open(ctx context.Context, name string) (*image, error) {
	scheme, rest, _ := strings.Cut(name, ":")
	switch {
	case name == "host":
		return im.openHost(ctx)
	case scheme == "dir" && rest != "":
		root, err := store.Dir(rest)
		if err != nil {
			return nil, imageError(name, err)
		}
		im := dirImage(root.Dir)
		im.trees[0].IDMapped = root.Dir // a tree that somebody unpacked as root
		return im, nil
	case scheme == "tar" && rest != "":
		return im.openTar(ctx, name, rest)
	}
	return nil, cupel.Invalidf("image", name, "use host, dir:PATH or tar:PATH")
}

func dirImage(dir string) *image {
	return &image{path: defaultPath, own: true,
		trees: []space.Tree{{Layers: []string{dir}, Target: "/", Overlay: true}}}
}

func (im *images) openTar(ctx context.Context, name, path string) (*image, error) {
	im.files.Lock()
	if im.files.store == nil {
		st, err := store.Open(filepath.Join(im.cache, "images"))
		if err != nil {
			im.files.Unlock()
			return nil, imageError(name, err)
		}
		im.files.store = st
	}
	im.files.Unlock()
	root, err := im.files.store.Tar(ctx, path, store.Options{Ownership: layer.Ownership{
		UIDBase: im.ids.UIDBase, GIDBase: im.ids.GIDBase, IDs: im.ids.Count, SingleID: im.ids.Single()}})
	if err != nil {
		return nil, imageError(name, err)
	}
	return dirImage(root.Dir), nil
}

func imageError(name string, err error) error {
	kind := cupel.Internal
	switch {
	case errors.Is(err, os.ErrNotExist):
		kind = cupel.NotFound
	case errors.Is(err, store.ErrImage):
		kind = cupel.Invalid
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		kind = cupel.Canceled
	}
	return cupel.Errorf(kind, "open image "+name, "%w", err)
}

func (im *images) openHost(ctx context.Context) (*image, error) {
	im.host.Lock()
	defer im.host.Unlock()
	if im.host.image != nil {
		return im.host.image, nil
	}
	owner := 0
	if !im.ids.Single() {
		owner = im.ids.UIDBase
	}
	plan, err := hostimage.New(ctx, hostimage.Config{CacheDir: filepath.Join(im.cache, "host"), Owner: owner})
	if err != nil {
		return nil, cupel.Errorf(cupel.Internal, "plan the host image", "%w", err)
	}
	out := &image{path: slices.DeleteFunc(plan.Path, coveredByPrivate),
		trees: []space.Tree{{Layers: []string{plan.Skeleton}, Target: "/", Overlay: true}}}
	for _, b := range plan.Binds {
		if coveredByPrivate(b.Target) {
			continue
		}
		info, err := os.Stat(b.Source)
		if err != nil {
			return nil, imageError("host", err)
		}
		out.trees = append(out.trees, space.Tree{Layers: []string{b.Source}, Target: b.Target, Overlay: info.IsDir()})
	}
	im.host.image = out
	return out, nil
}

// coveredByPrivate reports whether a private directory hides path.
func coveredByPrivate(path string) bool {
	for _, p := range []string{"/tmp/", "/work/", "/dev/", homeDir + "/"} {
		if strings.HasPrefix(path, p) {
			return true
		}
	}
	return false
}
