package tree

import (
	"errors"
	"fmt"
)

// ErrRefused is in the chain of every error that is the archive's or the path's
// fault: a name that leads out, a device, a link in the way.
var ErrRefused = errors.New("refused")

// ErrTooMuch is in the chain when a bound on entries or bytes was passed.
var ErrTooMuch = errors.New("too much")

// EntryError names the archive's entry, or the path, that an error is about.
type EntryError struct {
	Name string
	Err  error
}

// Error quotes the name: it is the archive's, and may hold anything.
func (e *EntryError) Error() string { return fmt.Sprintf("entry %s: %v", quote(e.Name), e.Err) }

// Unwrap returns the cause.
func (e *EntryError) Unwrap() error { return e.Err }

func quote(name string) string {
	const most = 200
	if len(name) > most {
		return fmt.Sprintf("%q…", name[:most])
	}
	return fmt.Sprintf("%q", name)
}

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

// IDs maps owners between an archive and the host. The zero value is a caller
// with one id: every file is its own, and shows as 0 in an archive.
type IDs struct {
	// UID and GID give the host's id of one inside; ok is false for one that
	// has none, which then becomes 0's. Nil leaves files to the caller.
	UID, GID func(inside int) (host int, ok bool)
	// Inside gives the ids inside of the host's. Nil means 0 and 0.
	Inside func(hostUID, hostGID int) (uid, gid int)
}

// PutOptions are the rules of one Put.
type PutOptions struct {
	IDs IDs
	// KeepSetID keeps setuid and setgid bits, which are dropped otherwise.
	KeepSetID bool
	// MaxEntries and MaxBytes bound the archive; zero is no bound.
	MaxEntries int
	MaxBytes   int64
}

// UnpackOptions are the rules of one Unpack.
type UnpackOptions struct {
	IDs IDs
	// MaxEntries and MaxBytes bound what is unpacked; zero is no bound.
	MaxEntries int
	MaxBytes   int64
}

// Stats says what an Unpack made and what it left out.
type Stats struct {
	Entries int
	// Bytes is the size of the files, holes included.
	Bytes int64
	// Devices, Xattrs and IDs count what was left out: device nodes, extended
	// attributes that are not user.*, owners that have no id here.
	Devices, Xattrs, IDs int
}

// GetOptions are the rules of one Get.
type GetOptions struct {
	IDs IDs
	// MaxEntries and MaxBytes bound the archive; zero is no bound.
	MaxEntries int
	MaxBytes   int64
}
