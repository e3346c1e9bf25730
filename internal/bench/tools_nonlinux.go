//go:build !linux

package bench

// tools says that there is nothing to compare with here.
func (b *bench) tools() ([]way, func()) {
	b.note("other tools are compared on Linux only")
	return nil, func() {}
}
