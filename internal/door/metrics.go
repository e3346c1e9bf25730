package door

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"cupel.dev/cupel"
)

// maxTools is how many tools have a label of their own.
const maxTools = 64

// metrics is what is counted. No label has a value that a client can choose
// freely.
type metrics struct {
	registry   *prometheus.Registry
	requests   *prometheus.CounterVec
	seconds    *prometheus.HistogramVec
	executions *prometheus.CounterVec
	wall       *prometheus.HistogramVec
	wait       *prometheus.HistogramVec

	mu    sync.Mutex
	tools map[string]bool
}

// Requests and programs may last from less than a millisecond to an hour.
var durations = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800}

func newMetrics(registry *prometheus.Registry, inFlight *atomic.Int64) (*metrics, error) {
	if registry == nil {
		registry = prometheus.NewRegistry()
	}
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: durations}, labels)
	}
	m := &metrics{
		registry: registry,
		tools:    map[string]bool{},
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "cupel_http_requests_total",
			Help: "Requests answered, by method, route and status code; 499 is a client that left."}, []string{"method", "route", "code"}),
		seconds: histogram("cupel_http_request_seconds", "How long requests took, waiting included.", "method", "route"),
		executions: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "cupel_executions_total",
			Help: "Programs run, by door, tool and how they ended; error is a failure of the machine."}, []string{"door", "tool", "status"}),
		wall: histogram("cupel_execution_wall_seconds", "How long programs ran.", "door"),
		wait: histogram("cupel_execution_wait_seconds", "How long programs waited to be run.", "door"),
	}
	running := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "cupel_http_requests_in_flight",
		Help: "Requests being answered, those that wait included."}, func() float64 { return float64(inFlight.Load()) })
	for _, c := range []prometheus.Collector{m.requests, m.seconds, running, m.executions, m.wall, m.wait} {
		if err := registry.Register(c); err != nil {
			return nil, cupel.Errorf(cupel.Invalid, "register metrics", "%w", err)
		}
	}
	for _, c := range []prometheus.Collector{collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})} {
		// A registry of the caller's may have them.
		var already prometheus.AlreadyRegisteredError
		if err := registry.Register(c); err != nil && !errors.As(err, &already) {
			return nil, cupel.Errorf(cupel.Invalid, "register metrics", "%w", err)
		}
	}
	return m, nil
}

func (m *metrics) request(method, route string, status int, took time.Duration) {
	method = knownMethod(method)
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(method, route).Observe(took.Seconds())
}

func (m *metrics) execution(e Execution, status string) {
	m.executions.WithLabelValues(e.Door, m.tool(e.Tool), status).Inc()
	m.wait.WithLabelValues(e.Door).Observe(e.Waited.Seconds())
	if e.Err == nil {
		m.wall.WithLabelValues(e.Door).Observe(e.Result.Usage.Wall.Seconds())
	}
}

// tool is the label of a tool: its name, for the first maxTools of them.
func (m *metrics) tool(name string) string {
	const other = "other"
	if !isToken(name) {
		return other
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.tools[name] {
		if len(m.tools) >= maxTools {
			return other
		}
		m.tools[name] = true
	}
	return name
}

// routeOf is the label of a pattern of http.ServeMux: its path.
func routeOf(pattern string) string {
	if pattern == "" {
		return "other"
	}
	if _, path, found := strings.Cut(pattern, " "); found {
		return strings.TrimLeft(path, " \t")
	}
	return pattern
}

func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

// MetricsHandler serves the metrics in Prometheus' form.
func (d *Door) MetricsHandler() http.Handler {
	return promhttp.HandlerFor(d.metrics.registry, promhttp.HandlerOpts{
		Registry:            d.metrics.registry,
		MaxRequestsInFlight: 4,
	})
}

// Registry returns where the door's metrics are, for others to add theirs.
func (d *Door) Registry() *prometheus.Registry { return d.metrics.registry }
