package space

// IDs maps ids inside a Space to this process's.
type IDs struct {
	// Base is the id outside of id 0 inside.
	UIDBase, GIDBase int
	// Count is how many ids map. 1 needs no privilege when the bases are this
	// process's own ids; more need CAP_SETUID and CAP_SETGID.
	Count int
}

// Single reports whether only id 0 exists inside.
func (m IDs) Single() bool { return m.Count == 1 }

// Has reports whether id exists inside.
func (m IDs) Has(id int) bool { return id >= 0 && id < m.Count }
