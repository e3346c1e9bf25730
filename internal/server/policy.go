package server

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"

	"cupel.dev/cupel"
	"cupel.dev/cupel/api"
)

// admit checks what a caller asks for against the operator's policy. It
// returns the spec as the caller sees it, complete, and the one for the
// engine, whose image is mapped and whose mounts are resolved.
func (s *Server) admit(asked api.Spec) (shown, real cupel.Spec, err error) {
	spec := asked.Cupel()
	if spec.Limits, err = s.boundLimits(asked.Limits); err != nil {
		return shown, real, err
	}
	if shown, err = spec.Normalize(); err != nil {
		return shown, real, err
	}
	if err := s.allowed(shown); err != nil {
		return shown, real, err
	}
	real = shown
	if real.Mounts, err = s.mounts(shown.Mounts); err != nil {
		return shown, real, err
	}
	real.Image, err = s.image(shown.Image)
	return shown, real, err
}

// allowed refuses what would open more than the policy does.
func (s *Server) allowed(spec cupel.Spec) error {
	p := s.cfg.Policy
	if spec.Network != cupel.NetworkNone && spec.Network != p.Network {
		return forbidden("host_network (--host-network)", "network %q is not allowed by this server", spec.Network)
	}
	if spec.Privileges != cupel.PrivilegesNone && !p.Privileges {
		return forbidden("privileges", "privileges %q are not allowed by this server", spec.Privileges)
	}
	weakest := map[cupel.IsolationLevel]int{cupel.IsolationStrict: 0, cupel.IsolationStandard: 1, cupel.IsolationAny: 2}
	if weakest[spec.Isolation] > weakest[p.Isolation] {
		return forbidden("isolation", "isolation %q is not allowed by this server", spec.Isolation)
	}
	return nil
}

// boundLimits refuses limits above the policy's, and completes the rest: the
// default, or the bound where that is lower.
func (s *Server) boundLimits(asked api.Limits) (cupel.Limits, error) {
	if err := below(asked, s.cfg.Policy.MaxLimits, "this server allows"); err != nil {
		return cupel.Limits{}, err
	}
	return capped(cupel.DefaultLimits(), s.cfg.Policy.MaxLimits).Merge(asked.Cupel()), nil
}

// below refuses a limit that is above its bound; who is "this server allows".
func below(asked api.Limits, bound cupel.Limits, who string) error {
	if err := asked.Cupel().Validate(); err != nil {
		return err
	}
	values, bounds := reflect.ValueOf(asked), reflect.ValueOf(api.NewLimits(bound))
	for name, f := range fields(values.Type()) {
		v, b := values.FieldByIndex(f.Index), bounds.FieldByIndex(f.Index)
		if !b.IsZero() && number(v) > number(b) {
			return cupel.Invalidf("limits."+name, fmt.Sprint(v.Interface()), fmt.Sprintf("%s at most %v", who, b.Interface()))
		}
	}
	return nil
}

func number(v reflect.Value) float64 {
	if v.CanFloat() {
		return v.Float()
	}
	return float64(v.Int())
}

// capped returns l with no field above its bound. No limit is above any.
func capped(l, bound cupel.Limits) cupel.Limits {
	least(&l.Time, bound.Time)
	least(&l.CPUTime, bound.CPUTime)
	least(&l.CPUs, bound.CPUs)
	least(&l.Memory, bound.Memory)
	least(&l.Processes, bound.Processes)
	least(&l.Files, bound.Files)
	least(&l.FileSize, bound.FileSize)
	least(&l.Disk, bound.Disk)
	least(&l.Inodes, bound.Inodes)
	least(&l.Output, bound.Output)
	return l
}

func least[T ~int | ~int64 | ~float64](v *T, bound T) {
	if bound != 0 && (*v == 0 || *v > bound) {
		*v = bound
	}
}

// hostImage is the image that every server has.
const hostImage = "host"

// image maps the name of an image to its source.
func (s *Server) image(name string) (string, error) {
	if s.cfg.Images != nil {
		source, err := s.cfg.Images(name)
		if err == nil || name != hostImage {
			return source, err
		}
	}
	if name != hostImage {
		return "", cupel.Invalidf("image", name, `this server has "host" alone; its operator may add others with --image NAME=SOURCE`)
	}
	return hostImage, nil
}

// mounts resolves links and refuses sources that the operator did not allow.
func (s *Server) mounts(asked []cupel.Mount) ([]cupel.Mount, error) {
	var real []cupel.Mount
	for _, m := range asked {
		source, err := filepath.EvalSymlinks(m.Source)
		if err != nil {
			source = m.Source
		}
		switch {
		case !s.mayMount(source, false):
			return nil, forbidden("volumes (--volumes)", "mount source %q is not allowed by this server", shown(m.Source))
		case m.Writable && !s.mayMount(source, true):
			return nil, forbidden("volumes (--volumes)", "mount source %q is not allowed to be writable by this server", shown(m.Source))
		case err != nil:
			return nil, cupel.Invalidf("mount source", m.Source, "it isn't there")
		}
		m.Source = source
		real = append(real, m)
	}
	return real, nil
}

// mayMount reports whether a directory of the policy holds source.
func (s *Server) mayMount(source string, writable bool) bool {
	for _, dir := range s.cfg.Policy.Mounts {
		dir, rw := strings.CutSuffix(dir, ":rw")
		if writable && !rw {
			continue
		}
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			dir = real
		}
		if rel, err := filepath.Rel(dir, source); err == nil && filepath.IsLocal(rel) {
			return true
		}
	}
	return false
}
