package seccomp

import "golang.org/x/sys/unix"

// span is a range of system call numbers with one answer, up to the next
// span's first.
type span struct {
	first uint32
	width uint32 // how many numbers that the kernel has are in it
	to    label
}

// spans emits every rule once and merges neighbours that share one. The last
// span, of all numbers above the table, is as wide as none: the kernel
// evaluates none of them when the filter is attached.
func (b *program) spans(byNumber []*rule) []span {
	unknown := b.ret(refuse(unix.ENOSYS))
	started := map[*rule]label{nil: unknown}
	var out []span
	for nr, r := range byNumber {
		to, ok := started[r]
		if !ok {
			to = b.rule(r)
			started[r] = to
		}
		if last := len(out) - 1; last >= 0 && out[last].to == to {
			out[last].width++
			continue
		}
		out = append(out, span{uint32(nr), 1, to})
	}
	return append(out, span{uint32(len(byNumber)), 0, unknown})
}

// tree emits a search for the number in the accumulator among spans and
// returns its root. A number that alone differs from both its neighbours costs
// one comparison; all else is halved, by the numbers on each side.
func (b *program) tree(spans []span) label {
	switch {
	case len(spans) == 1:
		return spans[0].to
	case len(spans) == 3 && spans[1].width == 1 && spans[0].to == spans[2].to:
		return b.jump(unix.BPF_JEQ, spans[1].first, spans[1].to, spans[0].to)
	}
	at := middle(spans)
	above := b.tree(spans[at:])
	below := b.tree(spans[:at])
	return b.jump(unix.BPF_JGE, spans[at].first, above, below)
}

// middle is the index that splits spans into two halves of the most nearly
// equal width, neither empty.
func middle(spans []span) int {
	var total, before uint32
	for _, s := range spans {
		total += s.width
	}
	best, least := 1, ^uint32(0)
	for i := 1; i < len(spans); i++ {
		before += spans[i-1].width
		uneven := max(2*before, total) - min(2*before, total)
		if uneven < least {
			best, least = i, uneven
		}
	}
	return best
}
