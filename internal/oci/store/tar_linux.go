package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"cupel.dev/cupel/internal/linux/tree"
	"cupel.dev/cupel/internal/oci/layer"
)

// Tar returns the archive at path as a root directory, unpacking it when the
// store has it not yet. Callers that come at the same time, from whatever
// process, wait for the one that unpacks. Errors of the file or the archive
// have ErrImage in their chain and name the entry; after an error, ctx's own
// included, nothing of the image stays.
func (s *Store) Tar(ctx context.Context, path string, o Options) (Rootfs, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return Rootfs{}, fmt.Errorf("image %q: %w", path, err)
	}
	f, err := openArchive(abs)
	if err != nil {
		return Rootfs{}, fmt.Errorf("%w: %w", ErrImage, err)
	}
	defer f.Close()
	digest, err := s.digest(ctx, f)
	if err != nil {
		return Rootfs{}, fmt.Errorf("digest image %q: %w", path, err)
	}
	key := digest + "-" + o.Ownership.String()
	if r, err := s.have(key); err == nil {
		return r, nil
	}
	lock, err := s.lock(ctx, key)
	if err != nil {
		return Rootfs{}, fmt.Errorf("wait for image %q: %w", path, err)
	}
	defer lock.Close()
	if r, err := s.have(key); err == nil {
		return r, nil
	}
	if err := s.unpack(ctx, f, digest, key, o); err != nil {
		return Rootfs{}, fmt.Errorf("unpack image %q: %w", path, err)
	}
	return s.have(key)
}

// openArchive opens a regular file; opening a FIFO would wait for ever.
func openArchive(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = fmt.Errorf("%q is not a regular file (a directory is dir:PATH)", path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// have returns an image that is in the store.
func (s *Store) have(key string) (Rootfs, error) {
	dir := filepath.Join(s.dir, "images", key)
	var r Rootfs
	if err := readJSON(filepath.Join(dir, "meta.json"), &r); err != nil {
		return Rootfs{}, err
	}
	r.Dir = filepath.Join(dir, "rootfs")
	return r, nil
}

// seen is a file whose digest is known. The time of its last change of any kind
// is part of it, since the time of change of its content can be set back.
type seen struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	Mtime  int64  `json:"mtime"`
	Ctime  int64  `json:"ctime"`
	Inode  uint64 `json:"inode"`
	Device uint64 `json:"device"`
	Digest string `json:"digest"`
}

func look(f *os.File) (seen, error) {
	fi, err := f.Stat()
	if err != nil {
		return seen{}, err
	}
	st := fi.Sys().(*syscall.Stat_t)
	return seen{Path: f.Name(), Size: st.Size, Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano(), Inode: st.Ino, Device: st.Dev}, nil
}

// digest returns the SHA-256 of an open file, from the index when the file is
// still the one that was digested before. Of callers that come at once, one
// reads the file.
func (s *Store) digest(ctx context.Context, f *os.File) (string, error) {
	now, err := look(f)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(now.Path))
	name := hex.EncodeToString(sum[:16])
	index := filepath.Join(s.dir, "index", name+".json")
	if d, ok := now.known(index); ok {
		return d, nil
	}
	lock, err := s.lock(ctx, "index-"+name)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if d, ok := now.known(index); ok {
		return d, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, &reader{ctx, f}); err != nil {
		return "", err
	}
	after, err := look(f)
	if err != nil {
		return "", err
	}
	if after != now {
		return "", fmt.Errorf("%w: it changed while it was read", ErrImage)
	}
	now.Digest = hex.EncodeToString(h.Sum(nil))
	return now.Digest, writeJSON(index, now)
}

// known returns the digest that the index has for exactly this file.
func (now seen) known(index string) (digest string, ok bool) {
	var was seen
	if readJSON(index, &was) != nil || len(was.Digest) != 2*sha256.Size {
		return "", false
	}
	now.Digest = was.Digest
	return was.Digest, now == was
}

type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// unpack makes images/key. The caller holds the key's lock.
func (s *Store) unpack(ctx context.Context, f *os.File, digest, key string, o Options) (err error) {
	tmp := filepath.Join(s.dir, "tmp")
	if err := removeAll(tmp, key); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeAll(tmp, key))
		}
	}()
	dir := filepath.Join(tmp, key)
	rootfs := filepath.Join(dir, "rootfs")
	if err := errors.Join(os.Mkdir(dir, 0o711), os.Mkdir(rootfs, 0o755), os.Chmod(rootfs, 0o755)); err != nil {
		return err
	}
	if !o.SingleID {
		if err := os.Chown(rootfs, o.UIDBase, o.GIDBase); err != nil {
			return err
		}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	h := sha256.New()
	stats, err := layer.Unpack(ctx, rootfs, io.TeeReader(f, h), o)
	if err != nil {
		return blame(err)
	}
	if err := unchanged(f, h, digest); err != nil {
		return err
	}
	meta := Rootfs{
		Digest: "sha256:" + digest, Entries: stats.Entries, Size: stats.Bytes,
		Devices: stats.Devices, Xattrs: stats.Xattrs, Owners: stats.IDs,
	}
	if err := writeJSON(filepath.Join(dir, "meta.json"), meta); err != nil {
		return err
	}
	return s.publish(key)
}

// unchanged reads the rest of the file and compares the digest: what was
// unpacked is what the key says.
func unchanged(f *os.File, h hash.Hash, digest string) error {
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if hex.EncodeToString(h.Sum(nil)) != digest {
		return fmt.Errorf("%w: it changed while it was unpacked", ErrImage)
	}
	return nil
}

// publish moves a whole image to its place.
func (s *Store) publish(key string) error {
	tmp, err := os.Open(filepath.Join(s.dir, "tmp"))
	if err != nil {
		return err
	}
	defer tmp.Close()
	if err := tree.Sync(int(tmp.Fd())); err != nil {
		return fmt.Errorf("write it to disk: %w", err)
	}
	// What is there without a readable meta.json is no image.
	images := filepath.Join(s.dir, "images")
	if err := removeAll(images, key); err != nil {
		return err
	}
	return os.Rename(filepath.Join(tmp.Name(), key), filepath.Join(images, key))
}

// blame says whose fault an error of unpacking is: what is not the kernel's and
// not ctx's is the archive's.
func blame(err error) error {
	var errno syscall.Errno
	archive := errors.Is(err, tree.ErrRefused) || errors.Is(err, tree.ErrTooMuch)
	if !archive && (errors.As(err, &errno) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrImage, err)
}
