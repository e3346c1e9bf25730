package main

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/pflag"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/compat/enclave"
	"cupel.dev/cupel/internal/door"
	"cupel.dev/cupel/internal/nearest"
)

// serverOptions are what a user asks cupel server for, by flags, by the
// environment (CUPEL_API_KEY) and by a file: the first wins. In the file each
// flag is a key with underscores, durations and sizes written as in flags.
type serverOptions struct {
	Host    string
	Port    int
	Doors   []string
	Images  imageList
	Origins []string
	Hosts   []string

	APIKey     string `yaml:"-"` // never in a file that others may read
	APIKeys    string `yaml:"api_keys"`
	RequireKey bool   `yaml:"require_key"`

	Engine       string
	EngineConfig string `yaml:"engine_config"`
	Concurrency  int
	Queue        int
	Requests     int           `yaml:"max_requests"`
	IdleTTL      time.Duration `yaml:"idle_ttl"`
	Drain        time.Duration

	Network     string
	HostNetwork bool `yaml:"host_network"`
	Privileges  string
	Volumes     []string
	MaxTime     time.Duration `yaml:"max_time"`
	Memory      string
	MaxMemory   string `yaml:"max_memory"`
	Processes   int
	Disk        string
	Sandboxes   int `yaml:"max_sandboxes"`

	LogFormat string `yaml:"log_format"`
	LogLevel  string `yaml:"log_level"`
	Pprof     bool

	Config  string `yaml:"-"`
	Cleanup int    `yaml:"-"`
}

// imageList are PATTERN=SOURCE rules; in a file, an object whose order counts.
type imageList []string

// UnmarshalYAML reads PATTERN: SOURCE lines.
func (l *imageList) UnmarshalYAML(text []byte) error {
	var rules yaml.MapSlice
	if err := yaml.Unmarshal(text, &rules); err != nil {
		return err
	}
	for _, rule := range rules {
		pattern, ok := rule.Key.(string)
		source, also := rule.Value.(string)
		if !ok || !also {
			return errors.New("images: write PATTERN: SOURCE lines, both of them text")
		}
		*l = append(*l, pattern+"="+source)
	}
	return nil
}

func (o *serverOptions) addFlags(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringVar(&o.Host, "host", o.Host, "address to listen on; other than loopback opens the server to others")
	f.IntVar(&o.Port, "port", o.Port, "port to listen on, 0 for a free one")
	f.StringVar(&o.APIKey, "api-key", o.APIKey, "the one key that callers must show (or CUPEL_API_KEY, which ps doesn't see)")
	f.StringVar(&o.APIKeys, "api-keys", o.APIKeys, "file of keys, NAME SECRET a line")
	f.BoolVar(&o.RequireKey, "require-key", o.RequireKey, "refuse to serve others without a key")
	f.StringArrayVar((*[]string)(&o.Images), "image", o.Images, "what an image name stands for, as PATTERN=SOURCE; repeatable, the first that fits")
	f.StringSliceVar(&o.Doors, "doors", o.Doors, "protocols to serve: enclave, v1")
	f.StringVar(&o.Engine, "engine", o.Engine, "what makes sandboxes")
	f.StringVar(&o.EngineConfig, "engine-config", o.EngineConfig, "the engine's configuration, as JSON")
	f.IntVar(&o.Concurrency, "concurrency", o.Concurrency, "programs run at once (default the number of cores)")
	f.IntVar(&o.Queue, "queue", o.Queue, "programs, and callers of a pool, that may wait")
	f.IntVar(&o.Requests, "max-requests", o.Requests, "requests at once, those that wait included")
	f.DurationVar(&o.IdleTTL, "idle-ttl", o.IdleTTL, "how long an unused sandbox or pool is kept")
	f.DurationVar(&o.Drain, "drain", o.Drain, "how long running programs may go on after SIGTERM")
	f.StringVar(&o.Network, "network", o.Network, "what a client's default network is: none or host")
	f.BoolVar(&o.HostNetwork, "host-network", o.HostNetwork, "let clients ask for the host's network")
	f.StringVar(&o.Privileges, "privileges", o.Privileges, "what programs may do inside: none, or container for Docker's default capabilities")
	f.StringSliceVar(&o.Volumes, "volumes", o.Volumes, "host directories below which clients may mount, read-only; DIR:rw also writable")
	f.DurationVar(&o.MaxTime, "max-time", o.MaxTime, "longest time limit of a program")
	f.StringVar(&o.Memory, "memory", o.Memory, "memory limit where a client doesn't ask for one (default the machine's share, at most 4GiB)")
	f.StringVar(&o.MaxMemory, "max-memory", o.MaxMemory, "largest memory limit (default the machine's budget)")
	f.IntVar(&o.Processes, "processes", o.Processes, "processes and threads of a program at once")
	f.StringVar(&o.Disk, "disk", o.Disk, "bytes in all writable places of a sandbox")
	f.IntVar(&o.Sandboxes, "max-sandboxes", o.Sandboxes, "sandboxes open at once")
	f.StringSliceVar(&o.Origins, "origins", o.Origins, "web origins that may call from a browser (default none)")
	f.StringSliceVar(&o.Hosts, "hosts", o.Hosts, "further names by which a keyless local server may be called")
	f.StringVar(&o.LogFormat, "log-format", o.LogFormat, "text or json")
	f.StringVar(&o.LogLevel, "log-level", o.LogLevel, "debug, info, warning, error or critical")
	f.BoolVar(&o.Pprof, "pprof", o.Pprof, "serve /debug/pprof/ too")
	f.StringVar(&o.Config, "config", o.Config, "YAML or JSON file with any of these, underscores for dashes")
	f.IntVar(&o.Cleanup, "cleanup-interval", o.Cleanup, "accepted from ms-enclave's command line; sandboxes end by --idle-ttl")
	_ = f.MarkHidden("cleanup-interval")
}

func defaultServerOptions() serverOptions {
	return serverOptions{
		Host: "127.0.0.1", Port: 1234, Doors: []string{"enclave", "v1"}, Engine: "native",
		Queue: 4096, Requests: 8192, IdleTTL: 2 * time.Hour, Drain: 30 * time.Second,
		Network: string(cupel.NetworkNone), Privileges: string(cupel.PrivilegesNone), MaxTime: time.Hour, Processes: 1024, Disk: "1GiB",
		Sandboxes: 4096, LogFormat: "text", LogLevel: "info",
	}
}

// read completes the options: what the file says and no flag did, and the
// key of the environment.
func (o *serverOptions) read(f *pflag.FlagSet) error {
	if o.Config != "" {
		if err := o.readFile(f); err != nil {
			return err
		}
	}
	if o.APIKey == "" {
		o.APIKey = os.Getenv("CUPEL_API_KEY")
	}
	return o.check()
}

// readFile takes from the file whatever no flag gave.
func (o *serverOptions) readFile(f *pflag.FlagSet) error {
	text, err := os.ReadFile(o.Config)
	if err != nil {
		return fileError("--config", o.Config, err)
	}
	setAgain, images := keep(f), o.Images
	o.Images = nil
	if err := yaml.UnmarshalWithOptions(text, o, yaml.Strict()); err != nil {
		return cupel.Errorf(cupel.Invalid, "", "--config %s: %s", o.Config, strings.TrimSpace(yaml.FormatError(err, false, true)))
	}
	images = append(images, o.Images...) // the first that fits counts
	err = setAgain()
	o.Images = images
	return err
}

// keep notes what flags gave, and returns what sets it again.
func keep(f *pflag.FlagSet) func() error {
	var set []func() error
	f.Visit(func(flag *pflag.Flag) {
		if list, ok := flag.Value.(pflag.SliceValue); ok {
			values := slices.Clone(list.GetSlice())
			set = append(set, func() error { return list.Replace(values) })
			return
		}
		value := flag.Value.String()
		set = append(set, func() error { return flag.Value.Set(value) })
	})
	return func() error {
		var err error
		for _, s := range set {
			err = errors.Join(err, s())
		}
		return err
	}
}

// doors are what can be served, by name.
var doors = []string{"enclave", "v1"}

func (o *serverOptions) check() error {
	if o.Port < 0 || o.Port > 65535 {
		return cupel.Invalidf("--port", strconv.Itoa(o.Port), "give a port from 0 to 65535")
	}
	if len(o.Doors) == 0 {
		return cupel.Invalidf("--doors", "", "name at least one: "+strings.Join(doors, ", "))
	}
	for _, d := range o.Doors {
		if !slices.Contains(doors, d) {
			return cupel.Invalidf("--doors", d, nearest.Fix(d, doors))
		}
	}
	for _, c := range []struct {
		flag, value string
		allowed     []string
	}{
		{"--network", o.Network, []string{string(cupel.NetworkNone), string(cupel.NetworkHost)}},
		{"--privileges", o.Privileges, []string{string(cupel.PrivilegesNone), string(cupel.PrivilegesContainer)}},
		{"--log-format", o.LogFormat, []string{"text", "json"}},
		{"--log-level", o.LogLevel, []string{"debug", "info", "warning", "error", "critical"}},
	} {
		if !slices.Contains(c.allowed, c.value) {
			return cupel.Invalidf(c.flag, c.value, nearest.Fix(c.value, c.allowed))
		}
	}
	for _, n := range []struct {
		flag  string
		value int
	}{
		{"--concurrency", o.Concurrency}, {"--queue", o.Queue - 1}, {"--max-requests", o.Requests - 1},
		{"--processes", o.Processes - 1}, {"--max-sandboxes", o.Sandboxes - 1},
	} {
		if n.value < 0 {
			return cupel.Invalidf(n.flag, strconv.Itoa(n.value), "give a number above zero")
		}
	}
	for flag, d := range map[string]time.Duration{"--idle-ttl": o.IdleTTL, "--max-time": o.MaxTime} {
		if d < time.Second {
			return cupel.Invalidf(flag, d.String(), "give at least 1s")
		}
	}
	if o.Drain < 0 {
		return cupel.Invalidf("--drain", o.Drain.String(), "give 0s or more")
	}
	return nil
}

// sizes reads the options that are sizes.
func (o *serverOptions) sizes() (memory, maxMemory, disk cupel.Size, err error) {
	for _, s := range []struct {
		flag, text string
		to         *cupel.Size
	}{{"--memory", o.Memory, &memory}, {"--max-memory", o.MaxMemory, &maxMemory}, {"--disk", o.Disk, &disk}} {
		if s.text == "" {
			continue
		}
		if *s.to, err = cupel.ParseSize(s.text); err != nil {
			return 0, 0, 0, cupel.Invalidf(s.flag, s.text, reason(err))
		}
		if err = (cupel.Limits{Memory: *s.to}).Validate(); err != nil || *s.to == 0 {
			return 0, 0, 0, cupel.Invalidf(s.flag, s.text, "give a size such as 512MiB")
		}
	}
	return memory, maxMemory, disk, nil
}

// images reads --image and the file's images, in their order.
func (o *serverOptions) images() (enclave.Images, error) {
	images := make(enclave.Images, 0, len(o.Images))
	for _, text := range o.Images {
		pattern, source, ok := strings.Cut(text, "=")
		if !ok || pattern == "" || source == "" {
			return nil, cupel.Invalidf("--image", text, "write PATTERN=SOURCE, such as python:3.11-slim=host or *=tar:/images/python.tar")
		}
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, cupel.Invalidf("--image", text, "the pattern can't be matched: "+err.Error())
		}
		if source != "host" && !strings.HasPrefix(source, "dir:") && !strings.HasPrefix(source, "tar:") && o.Engine == "native" {
			return nil, cupel.Invalidf("--image", text, "the source is host, dir:PATH or tar:PATH")
		}
		source, err := absoluteImage(source)
		if err != nil {
			return nil, err
		}
		images = append(images, enclave.Image{Pattern: pattern, Source: source})
	}
	return images, nil
}

// keys are who may call.
func (o *serverOptions) keys() ([]door.Key, error) {
	var keys []door.Key
	if o.APIKeys != "" {
		var err error
		if keys, err = door.ReadKeys(o.APIKeys); err != nil {
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
				return nil, fileError("--api-keys", o.APIKeys, err)
			}
			return nil, err
		}
		if len(keys) == 0 {
			return nil, cupel.Invalidf("--api-keys", o.APIKeys, "it holds no key; write NAME SECRET lines")
		}
	}
	if o.APIKey != "" {
		keys = append(keys, door.Key{Name: "default", Secret: o.APIKey})
	}
	return keys, nil
}

// loopback reports whether only this machine can reach host.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}
