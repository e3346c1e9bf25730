package door

import (
	"crypto/rand"
	"strconv"
	"sync/atomic"
)

// requestIDs makes ids that no other server makes, in order: "k3fz6q2a-17".
type requestIDs struct {
	prefix string
	last   atomic.Uint64
}

func newRequestIDs() requestIDs { return requestIDs{prefix: rand.Text()[:12] + "-"} }

func (ids *requestIDs) next() string {
	var room [40]byte
	return string(strconv.AppendUint(append(room[:0], ids.prefix...), ids.last.Add(1), 10))
}

// of returns the id that the client chose, or a new one.
func (ids *requestIDs) of(chosen string) string {
	if isToken(chosen) {
		return chosen
	}
	return ids.next()
}
