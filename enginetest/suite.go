// Package enginetest is the conformance suite of cupel.Engine: to support an
// engine means to pass it.
//
// The suite runs real programs: sh and a few standard tools, and python3 where
// system calls have to be made. What an engine can't do at all, or a place
// doesn't have, is declared in [Options] by the name of the requirement with
// the reason, and shows as a skip.
//
// Never run it on an engine that does not isolate: it kills every process it
// can see, fills disks and memory, and forks without end.
package enginetest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"cupel.dev/cupel"
)

// Options say what to test an engine with.
type Options struct {
	// Spec is merged under the Spec of every sandbox; set its Image when the
	// engine has no host image. Keep its limits unset.
	Spec cupel.Spec
	// Cannot names requirements that the engine doesn't meet, as
	// "topic/requirement", with the reason. A name that the suite doesn't
	// have fails it.
	Cannot map[string]string
	// NoPython is why there is no python3 in the image, or "" to look for
	// it. Requirements that need it are skipped without it.
	NoPython string
}

// requirement is one subtest; its name reads as what is required.
type requirement struct {
	name string
	run  func(*check)
}

type topic struct {
	name         string
	requirements []requirement
}

func topics() []topic {
	return []topic{
		{"exec", execRequirements()},
		{"stdio", stdioRequirements()},
		{"files", fileRequirements()},
		{"limits", limitRequirements()},
		{"output", outputRequirements()},
		{"tree", treeRequirements()},
		{"lifecycle", lifecycleRequirements()},
		{"parallel", parallelRequirements()},
		{"neighbours", neighbourRequirements()},
		{"reset", resetRequirements()},
		{"host", hostRequirements()},
		{"kernel", kernelRequirements()},
		{"network", networkRequirements()},
		{"usage", usageRequirements()},
	}
}

// Run runs every requirement as a subtest of t. open is called several times;
// the suite closes what it opens.
func Run(t *testing.T, open func(t *testing.T) cupel.Engine, o Options) {
	all := topics()
	checkNames(t, all, o.Cannot)
	s := &suite{open: open, options: o, engine: open(t)}
	t.Cleanup(func() {
		if err := s.engine.Close(); err != nil {
			t.Errorf("close the engine: %v", err)
		}
	})
	s.look(t)
	for _, topic := range all {
		t.Run(topic.name, func(t *testing.T) {
			for _, r := range topic.requirements {
				t.Run(r.name, func(t *testing.T) {
					if why, ok := o.Cannot[topic.name+"/"+r.name]; ok {
						t.Skip(why)
					}
					r.run(newCheck(t, s))
				})
			}
		})
	}
}

// checkNames refuses declarations about requirements that don't exist.
func checkNames(t *testing.T, all []topic, cannot map[string]string) {
	t.Helper()
	known := map[string]bool{}
	for _, topic := range all {
		for _, r := range topic.requirements {
			name := topic.name + "/" + r.name
			if known[name] {
				t.Fatalf("the suite has two requirements named %q", name)
			}
			known[name] = true
		}
	}
	for name, why := range cannot {
		if !known[name] {
			t.Fatalf("Options.Cannot names %q, which is no requirement of the suite", name)
		}
		if why == "" {
			t.Fatalf("Options.Cannot gives no reason for %q", name)
		}
	}
}

// suite is what all requirements share.
type suite struct {
	open    func(t *testing.T) cupel.Engine
	options Options
	engine  cupel.Engine
	// isolation is what a first Result said.
	isolation cupel.Isolation
	// noPython is why python3 can't be used, or "".
	noPython string
	// found is what neighbours saw of each other, looked for once.
	crossed sync.Once
	found   crossing
	// outcomes are those of the calls that must be refused, tried once.
	tried    sync.Once
	outcomes map[string]string
}

// look learns once what the engine's sandboxes are like.
func (s *suite) look(t *testing.T) {
	t.Helper()
	c := newCheck(t, s)
	sb := c.sandbox()
	s.isolation = c.sh(sb, "exit 0").ok(c).Isolation
	if s.isolation.Tier == "" {
		t.Error("a Result names no isolation tier")
	}
	t.Logf("isolation: %s, missing: %s", s.isolation.Tier, strings.Join(s.isolation.Missing, ", "))
	if s.noPython = s.options.NoPython; s.noPython == "" {
		out := c.exec(sb, cupel.Cmd{Args: []string{"python3", "-c", "import ctypes; print(6 * 7)"}})
		if out.Status != cupel.StatusOK || out.stdout != "42\n" {
			s.noPython = "no python3 with ctypes in the image"
		}
	}
}

// check is one requirement being tested.
type check struct {
	*testing.T
	suite *suite
	// ctx ends long before the test binary's own limit, so that a hang is the
	// failure of one requirement.
	ctx context.Context
}

// patience is how long a requirement may take. It is generous: what must be
// prompt is compared with promptly.
const (
	patience = 60 * time.Second
	promptly = 10 * time.Second
)

func newCheck(t *testing.T, s *suite) *check {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return &check{T: t, suite: s, ctx: ctx}
}

// spec is the suite's base with over merged over it.
func (c *check) spec(over ...cupel.Spec) cupel.Spec {
	all := c.suite.options.Spec
	for _, s := range over {
		all = all.Merge(s)
	}
	return all
}

// sandbox makes a sandbox that is closed when the requirement ends.
func (c *check) sandbox(over ...cupel.Spec) cupel.Sandbox {
	c.Helper()
	sb, err := c.suite.engine.Create(c.ctx, c.spec(over...))
	if err != nil {
		c.Fatalf("create: %v (hint: %s)", err, cupel.HintOf(err))
	}
	c.closeLater(sb)
	return sb
}

// sandboxOrSkip is sandbox for what an engine may not support.
func (c *check) sandboxOrSkip(over ...cupel.Spec) cupel.Sandbox {
	c.Helper()
	sb, err := c.suite.engine.Create(c.ctx, c.spec(over...))
	if cupel.KindOf(err) == cupel.Unsupported {
		c.Skipf("the engine says: %v", err)
	}
	if err != nil {
		c.Fatalf("create: %v (hint: %s)", err, cupel.HintOf(err))
	}
	c.closeLater(sb)
	return sb
}

func (c *check) closeLater(sb cupel.Sandbox) {
	c.Cleanup(func() {
		if err := sb.Close(); err != nil {
			c.Errorf("close sandbox %s: %v", sb.ID(), err)
		}
	})
}

func limits(l cupel.Limits) cupel.Spec { return cupel.Spec{Limits: l} }

func (c *check) needPython() {
	c.Helper()
	if c.suite.noPython != "" {
		c.Skip(c.suite.noPython)
	}
}
