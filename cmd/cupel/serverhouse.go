package main

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"slices"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/compat/enclave"
	"cupel.dev/cupel/internal/door"
	"cupel.dev/cupel/internal/server"
	"cupel.dev/cupel/service"
)

// house is what stands behind the port: each door on its own paths.
type house struct {
	http.ServeMux
	door  *door.Door
	keys  []door.Key
	close []func() error
}

// house builds the doors that the options name over one service.
func (o *serverOptions) house(svc *service.Service, log *slog.Logger) (*house, error) {
	h := &house{}
	var err error
	if h.keys, err = o.keys(); err != nil {
		return nil, err
	}
	if o.RequireKey && !loopback(o.Host) && len(h.keys) == 0 {
		return nil, o.refuseOpen()
	}
	if h.door, err = door.New(door.Config{
		Keys: h.keys, Loopback: loopback(o.Host), Hosts: o.Hosts, Origins: o.Origins, MaxRequests: o.Requests, Log: log,
	}); err != nil {
		return nil, err
	}
	h.addMetrics(svc)
	refuse := enclave.Refuse
	for _, name := range doors {
		if !slices.Contains(o.Doors, name) {
			continue
		}
		add := h.addEnclave
		if name == "v1" {
			add = h.addV1
		}
		if err := add(o, svc, log); err != nil {
			return nil, errors.Join(err, h.Close())
		}
	}
	h.Handle("GET /metrics", h.door.Wrap(h.door.MetricsHandler(), refuse))
	if o.Pprof {
		debug := http.NewServeMux()
		debug.HandleFunc("/debug/pprof/", pprof.Index)
		debug.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		debug.HandleFunc("/debug/pprof/profile", pprof.Profile)
		debug.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		debug.HandleFunc("/debug/pprof/trace", pprof.Trace)
		h.Handle("/debug/pprof/", h.door.Wrap(debug, refuse))
	}
	return h, nil
}

// Close ends what clients left in each door.
func (h *house) Close() error {
	var err error
	for _, c := range h.close {
		err = errors.Join(err, c())
	}
	return err
}

func (h *house) addEnclave(o *serverOptions, svc *service.Service, log *slog.Logger) error {
	ref, policy, images, err := o.terms()
	if err != nil {
		return err
	}
	s, err := enclave.New(enclave.Config{
		Service: svc, Engine: ref, Door: h.door, Images: images, Policy: policy,
		IdleTTL: o.IdleTTL, Log: log,
	})
	if err != nil {
		return err
	}
	h.close = append(h.close, s.Close)
	h.Handle("/", h.door.Wrap(s.Handler(), enclave.Refuse))
	return nil
}

// terms are what the operator grants to the clients of ms-enclave.
func (o *serverOptions) terms() (ref service.EngineRef, p enclave.Policy, images enclave.Images, err error) {
	if ref, err = o.engineRef(); err != nil {
		return ref, p, nil, err
	}
	if images, err = o.images(); err != nil {
		return ref, p, nil, err
	}
	memory, maxMemory, disk, err := o.sizes()
	return ref, enclave.Policy{
		Network: cupel.Network(o.Network), HostNetwork: o.HostNetwork, Volumes: o.Volumes, Privileges: cupel.Privileges(o.Privileges),
		MaxTime: o.MaxTime, DefaultMemory: memory, MaxMemory: maxMemory, Processes: o.Processes, Disk: disk,
		MaxSandboxes: o.Sandboxes,
	}, images, err
}

func (h *house) addV1(o *serverOptions, svc *service.Service, log *slog.Logger) error {
	ref, policy, images, err := o.terms()
	if err != nil {
		return err
	}
	if policy.MaxMemory == 0 {
		policy.MaxMemory = svc.MemoryBudget()
	}
	network := policy.Network
	if policy.HostNetwork {
		network = cupel.NetworkHost
	}
	s := server.New(server.Config{
		Service: svc, Engine: ref, Door: h.door, IdleTTL: o.IdleTTL, Version: readVersion().Version, Log: log,
		Images: func(name string) (string, error) {
			if source, ok := images.Source(name); ok {
				return source, nil
			}
			return "", cupel.Errorf(cupel.NotFound, "", "image %q: no --image PATTERN=SOURCE of this server fits it", name)
		},
		Policy: server.Policy{
			Network: network, Mounts: policy.Volumes, MaxSandboxes: policy.MaxSandboxes,
			Privileges: policy.Privileges == cupel.PrivilegesContainer,
			MaxLimits: cupel.Limits{
				Time: policy.MaxTime, Memory: policy.MaxMemory, Processes: policy.Processes, Disk: policy.Disk,
			},
		},
	})
	h.close = append(h.close, s.Close)
	h.Handle("/v1/", h.door.Wrap(s, server.Refuse))
	return nil
}
