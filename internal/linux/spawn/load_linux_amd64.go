package spawn

import "sync/atomic"

func load(w *Word) uint32 { return atomic.LoadUint32(w) }
