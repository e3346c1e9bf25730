package probe

import "context"

// All probes every ability, in a fixed order. It takes some milliseconds;
// when ctx ends, what is left is reported as not there, with ctx's error.
func All(ctx context.Context) []Ability {
	tiny := openTiny()
	defer tiny.close()
	memfd := tiny.memfdExec(ctx)
	ns := namespaces{ctx: ctx, tiny: tiny, here: thisPlace()}
	out := ns.probe()
	out = append(out, confinement()...)
	out = append(out, systemCalls()...)
	return append(out, memfd)
}

// verdict makes an Ability of a probe's outcome. found is its Detail if err is
// nil, fix its Fix if not.
func verdict(name, found string, err error, fix string) Ability {
	if err != nil {
		return Ability{Name: name, Detail: err.Error(), Fix: fix}
	}
	return Ability{Name: name, OK: true, Detail: found}
}
