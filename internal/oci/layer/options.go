package layer

import "fmt"

// Bounds of what an archive may become where Options leave them open.
const (
	DefaultMaxEntries = 2_000_000
	DefaultMaxBytes   = 64 << 30
	DefaultMaxRatio   = 250
)

// Options say who owns the files and how much they may be.
type Options struct {
	// Ownership says which ids the files get.
	Ownership
	// MaxEntries, MaxBytes and MaxRatio (of gzip) bound the archive. Zero is
	// the default.
	MaxEntries int
	MaxBytes   int64
	MaxRatio   int64
}

// Ownership maps an archive's ids to the host's.
type Ownership struct {
	// UIDBase and GIDBase are the host ids that are 0 inside; IDs of them
	// follow one another. An owner beyond that becomes 0.
	UIDBase, GIDBase, IDs int
	// SingleID leaves every file to the caller. The other fields are unused.
	SingleID bool
}

// String names the scheme, for use in a file name.
func (o Ownership) String() string {
	if o.SingleID {
		return "single"
	}
	return fmt.Sprintf("%d.%d.%d", o.UIDBase, o.GIDBase, o.IDs)
}
