package tree

import (
	"errors"

	"golang.org/x/sys/unix"
)

// errMoved ends a walk whose way back up is gone.
var errMoved = errors.New("a directory was moved while the tree was walked")

// level is one directory on the way down of a walk: what it is, so that the way
// up can be checked, and which of its names are still to come.
type level struct {
	dev, ino uint64
	name     string
	todo     []string
}

// walker goes through a tree with one open descriptor. Going up is by "..",
// which a program can make lead elsewhere by moving a directory; so the
// directory that it leads to must be the one that was left.
type walker struct {
	fd    int
	stack []level
}

func (w *walker) top() *level { return &w.stack[len(w.stack)-1] }

// enter takes over fd, a directory, and reads its names, at most about most.
func (w *walker) enter(fd int, name string, most int) error {
	if w.fd >= 0 {
		unix.Close(w.fd)
	}
	w.fd = fd
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	todo, err := dirNames(fd, most)
	if err != nil {
		return err
	}
	w.stack = append(w.stack, level{dev: st.Dev, ino: st.Ino, name: name, todo: todo})
	return nil
}

// leave goes up one directory.
func (w *walker) leave() error {
	w.stack = w.stack[:len(w.stack)-1]
	if len(w.stack) == 0 {
		return nil
	}
	up, err := openAt(w.fd, "..", openDir, 0)
	unix.Close(w.fd)
	if w.fd = up; err != nil {
		w.fd = -1
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(up, &st); err != nil {
		return err
	}
	if st.Dev != w.top().dev || st.Ino != w.top().ino {
		return errMoved
	}
	return nil
}

// next takes the next name of the directory that the walk is in.
func (w *walker) next() (string, bool) {
	t := w.top()
	if len(t.todo) == 0 {
		return "", false
	}
	name := t.todo[0]
	t.todo = t.todo[1:]
	return name, true
}

func (w *walker) close() {
	if w.fd >= 0 {
		unix.Close(w.fd)
		w.fd = -1
	}
}

// RemoveAll removes what name in the open directory dirFD is, with all that is
// below it, following no link. Directories that their owner has closed are
// opened first. Nothing there is no error.
func RemoveAll(dirFD int, name string) error {
	if done, err := unlink(dirFD, name); done {
		return err
	}
	fd, err := openToRemove(dirFD, name)
	if err != nil {
		return err
	}
	w := walker{fd: -1}
	defer w.close()
	if err := w.enter(fd, name, 0); err != nil {
		return err
	}
	for {
		if child, ok := w.next(); ok {
			if done, err := unlink(w.fd, child); done && err == nil {
				continue
			} else if done {
				return err
			}
			fd, err := openToRemove(w.fd, child)
			if err == nil {
				err = w.enter(fd, child, 0)
			}
			if err != nil {
				return err
			}
			continue
		}
		gone := w.top().name
		if err := w.leave(); err != nil {
			return err
		}
		parent := w.fd
		if len(w.stack) == 0 {
			parent = dirFD
		}
		if err := unix.Unlinkat(parent, gone, unix.AT_REMOVEDIR); err != nil && err != unix.ENOENT {
			return err
		}
		if len(w.stack) == 0 {
			return nil
		}
	}
}

// unlink removes a name that is no directory; done is false when it is one.
func unlink(dirFD int, name string) (done bool, err error) {
	switch err := unix.Unlinkat(dirFD, name, 0); err {
	case nil, unix.ENOENT:
		return true, nil
	case unix.EISDIR, unix.EPERM:
		return false, nil
	default:
		return true, err
	}
}

// openToRemove opens a directory and makes it one that its owner may empty.
func openToRemove(dirFD int, name string) (int, error) {
	fd, err := openAt(dirFD, name, openDir, 0)
	if err == unix.EACCES {
		// Only an owner gets here, in a tree of his own that is at rest.
		if err = unix.Fchmodat(dirFD, name, 0o700, 0); err != nil {
			return -1, err
		}
		fd, err = openAt(dirFD, name, openDir, 0)
	}
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err == nil && st.Mode&0o700 != 0o700 {
		if err := unix.Fchmod(fd, 0o700); err != nil {
			unix.Close(fd)
			return -1, err
		}
	}
	return fd, nil
}
