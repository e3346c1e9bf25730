package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"cupel.dev/cupel/service"
)

// addMetrics shows what the service does, beside the door's own metrics.
func (h *house) addMetrics(svc *service.Service) {
	gauge := func(name, help string, value func(service.Stats) float64) {
		h.door.Registry().MustRegister(prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Name: "cupel_" + name, Help: help},
			func() float64 { return value(svc.Stats()) }))
	}
	gauge("programs_running", "Programs that run now.", func(s service.Stats) float64 { return float64(s.Running) })
	gauge("programs_queued", "Programs that wait to be admitted.", func(s service.Stats) float64 { return float64(s.Queued) })
	gauge("memory_promised_bytes", "Sum of the memory limits of the programs that run now.", func(s service.Stats) float64 { return float64(s.Memory) })
}
