package main

import (
	"context"
	"slices"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/engine/fake"
)

// lacking is an engine in whose sandboxes some programs are not installed.
type lacking struct {
	cupel.Engine
	programs []string
}

func (l lacking) Create(ctx context.Context, spec cupel.Spec) (cupel.Sandbox, error) {
	sb, err := l.Engine.Create(ctx, spec)
	if err != nil {
		return nil, err
	}
	return lackingSandbox{sb, l.programs}, nil
}

func (l lacking) Isolation() cupel.Isolation { return l.Engine.(cupel.Isolator).Isolation() }

type lackingSandbox struct {
	cupel.Sandbox
	programs []string
}

func (s lackingSandbox) Exec(ctx context.Context, cmd cupel.Cmd) (cupel.Result, error) {
	if slices.Contains(s.programs, cmd.Args[0]) {
		return fake.Exit(127), nil
	}
	return s.Sandbox.Exec(ctx, cmd)
}

func (s lackingSandbox) Reset(ctx context.Context) error {
	return s.Sandbox.(cupel.Resetter).Reset(ctx)
}
