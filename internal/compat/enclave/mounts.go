package enclave

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"cupel.dev/cupel"
)

// planVolumes allows mounts from below the operator's prefixes, links resolved.
func (s *Server) planVolumes(p *plan) error {
	for _, source := range slices.Sorted(maps.Keys(p.config.Volumes)) {
		options := p.config.Volumes[source]
		for key := range options {
			if key != "bind" && key != "mode" {
				return cupel.Errorf(cupel.Unsupported, "", `volumes %s: %s is not known; give "bind" and "mode"`, quoted(source), quoted(key))
			}
		}
		target := options["bind"]
		if !path.IsAbs(target) || path.Clean(target) == "/" {
			return cupel.Invalidf("volumes "+clip(source)+" bind", target, "give an absolute path below /")
		}
		writable := true
		switch mode, given := options["mode"]; {
		case mode == "ro":
			writable = false
		case given && mode != "rw":
			return cupel.Invalidf("volumes "+clip(source)+" mode", mode, "use ro or rw")
		}
		resolved, err := s.allowedPath(source, writable)
		if err != nil {
			return err
		}
		p.spec.Mounts = append(p.spec.Mounts, cupel.Mount{Source: resolved, Target: path.Clean(target), Writable: writable})
	}
	return nil
}

// allowedPath resolves a path of this machine that a config may mount.
func (s *Server) allowedPath(source string, writable bool) (string, error) {
	fix := "let the operator allow it with --volumes PREFIX, or leave volumes out"
	if writable {
		fix = `let the operator allow it with --volumes PREFIX:rw, or mount it with mode "ro"`
	}
	if len(s.cfg.Policy.Volumes) == 0 {
		return "", cupel.Errorf(cupel.Unsupported, "", "volumes %s: this server mounts nothing of its machine: %s", quoted(source), fix)
	}
	if !filepath.IsAbs(source) || strings.ContainsRune(source, 0) {
		return "", cupel.Errorf(cupel.Unsupported, "", "volumes %s: named volumes are not there; give an absolute path", quoted(source))
	}
	for _, prefix := range s.cfg.Policy.Volumes {
		prefix, rw := strings.CutSuffix(prefix, ":rw")
		if writable && !rw || !below(filepath.Clean(source), filepath.Clean(prefix)) {
			continue
		}
		root, err := filepath.EvalSymlinks(prefix)
		if err != nil {
			continue
		}
		resolved, err := filepath.EvalSymlinks(source)
		if errors.Is(err, fs.ErrNotExist) {
			return "", cupel.Errorf(cupel.Invalid, "", "volumes %s: not there on the server's machine", quoted(source))
		}
		if err == nil && below(resolved, root) {
			return resolved, nil
		}
	}
	return "", cupel.Errorf(cupel.Unsupported, "", "volumes %s is not below what this server may mount: %s", quoted(source), fix)
}

func below(name, dir string) bool {
	return name == dir || strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/")
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?$`)

// planHosts makes an /etc/hosts with the literal addresses that are asked for.
func (s *Server) planHosts(p *plan) error {
	if len(p.config.Hosts) == 0 {
		return nil
	}
	var file bytes.Buffer
	file.WriteString("127.0.0.1\tlocalhost\n::1\tlocalhost\n")
	for _, name := range slices.Sorted(maps.Keys(p.config.Hosts)) {
		value := p.config.Hosts[name]
		if !hostName.MatchString(name) {
			return cupel.Invalidf("extra_hosts", name, "give a host name")
		}
		address, err := netip.ParseAddr(value)
		if err != nil || address.Zone() != "" {
			return cupel.Errorf(cupel.Unsupported, "", "extra_hosts %s: %s is no IP address; a sandbox has no way to its host, so that only addresses can be named",
				quoted(name), quoted(value))
		}
		fmt.Fprintf(&file, "%s\t%s\n", address, name)
	}
	p.hosts = file.Bytes()
	return nil
}
