package service

import (
	"context"
	"slices"
	"time"

	"cupel.dev/cupel"
)

// borrower waits for a sandbox. Serving it sends an idle sandbox, or nil: the
// right to make one.
type borrower struct {
	served chan cupel.Sandbox
}

// borrow returns a sandbox and whether it was waiting in the pool. After a nil
// error the place is the caller's until takeBack.
func (p *Pool) borrow(ctx context.Context) (sb cupel.Sandbox, warm bool, err error) {
	sb, err = p.await(ctx)
	if err != nil || sb != nil {
		return sb, true, err
	}
	sb, err = p.engine.Create(ctx, p.spec)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.lent--
		p.made--
		p.serve()
		return nil, false, err
	}
	p.stats.Created++
	return sb, false, nil
}

// await returns an idle sandbox or nil, the right to make one, when it is this
// caller's turn.
func (p *Pool) await(ctx context.Context) (cupel.Sandbox, error) {
	if ctx.Err() != nil {
		return nil, canceled(ctx, "borrow sandbox")
	}
	me := &borrower{served: make(chan cupel.Sandbox, 1)}
	ctx, stop := waiting(ctx)
	defer stop()
	p.mu.Lock()
	if p.closing {
		p.mu.Unlock()
		return nil, p.refusal()
	}
	p.used = time.Now()
	if most := p.service.cfg.Queue; len(p.queue) >= most {
		p.mu.Unlock()
		return nil, cupel.Errorf(cupel.Exhausted, "borrow sandbox", "%d borrowers wait already", most)
	}
	p.queue = append(p.queue, me)
	p.serve()
	p.mu.Unlock()
	select {
	case sb := <-me.served:
		return sb, nil
	case <-ctx.Done():
		p.giveUp(me)
		return nil, canceled(ctx, "borrow sandbox")
	}
}

// giveUp takes me out of the queue, and passes on what me was served at the
// same moment.
func (p *Pool) giveUp(me *borrower) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case sb := <-me.served:
		p.lent--
		if sb == nil {
			p.made--
		} else {
			p.idle = append(p.idle, sb)
		}
	default:
		p.queue = slices.DeleteFunc(p.queue, func(b *borrower) bool { return b == me })
	}
	p.serve()
}

// serve gives what is free to those who wait longest. p.mu is held.
func (p *Pool) serve() {
	for len(p.queue) > 0 && p.lent < p.size {
		var sb cupel.Sandbox
		switch last := len(p.idle) - 1; {
		case last >= 0:
			sb = p.idle[last]
			p.idle[last] = nil
			p.idle = p.idle[:last]
		case p.made < p.most():
			p.made++
		default:
			return
		}
		p.lent++
		p.queue[0].served <- sb
		p.queue[0] = nil
		p.queue = p.queue[1:]
	}
}
