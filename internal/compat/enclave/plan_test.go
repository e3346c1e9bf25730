package enclave

import (
	"encoding/json"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/engine/fake"
	"cupel.dev/cupel/internal/wire/enclave"
)

func TestLimitsOfAConfig(t *testing.T) {
	w := newWorld(t, Config{Policy: Policy{MaxMemory: 8 * cupel.GiB, DefaultMemory: cupel.GiB, MaxCPUs: 4, MaxTime: 10 * time.Minute}}, fake.Config{})
	small := newWorld(t, Config{Policy: Policy{MaxMemory: 512 * cupel.MiB, MaxCPUs: 1}}, fake.Config{})
	for _, tt := range []struct {
		server  *world
		config  string
		memory  cupel.Size
		cpus    float64
		adapted string
	}{
		{w, `{}`, cupel.GiB, 0, "memory_limit 4g: 1GiB"},
		{w, `{"memory_limit":"4g","cpu_limit":2}`, cupel.GiB, 0, "cpu_limit 2.0"},
		{w, `{"memory_limit":"512m","cpu_limit":1.5}`, 512 * cupel.MiB, 1.5, ""},
		{w, `{"memory_limit":"64G","cpu_limit":64}`, 8 * cupel.GiB, 4, "cpu_limit 64.0: 4.0"},
		{w, `{"memory_limit":"99999999999999999999g"}`, 8 * cupel.GiB, 0, "8GiB"},
		{w, `{"memory_limit":"9223372036854775807g"}`, 8 * cupel.GiB, 0, "8GiB"},
		{w, `{"memory_limit":"0"}`, 8 * cupel.GiB, 0, "8GiB"},
		{w, `{"memory_limit":"6291456"}`, 6 * cupel.MiB, 0, ""},
		{w, `{"memory_limit":"100000K"}`, 100000 * cupel.KiB, 0, ""},
		{small, `{}`, 512 * cupel.MiB, 1, "cpu_limit 2.0: 1.0"},
	} {
		p, err := tt.server.server.plan(enclave.TypeDocker, json.RawMessage(tt.config))
		if err != nil {
			t.Errorf("%s: %v", tt.config, err)
			continue
		}
		if l := p.spec.Limits; l.Memory != tt.memory || l.CPUs != tt.cpus {
			t.Errorf("%s: memory %v, cpus %v, want %v, %v", tt.config, l.Memory, l.CPUs, tt.memory, tt.cpus)
		}
		if all := strings.Join(p.adapted, "; "); !strings.Contains(all, tt.adapted) {
			t.Errorf("%s: adapted %q, want %q", tt.config, all, tt.adapted)
		}
	}
	p, err := w.server.plan(enclave.TypeDocker, nil)
	if err != nil {
		t.Fatal(err)
	}
	if l := p.spec.Limits; l.Time != 10*time.Minute || l.CPUTime < l.Time || l.Output != 16*cupel.MiB || l.Processes != 1024 || !p.spec.Writable || p.spec.User != "0" {
		t.Errorf("spec = %+v", p.spec)
	}
}

func TestNetworkOfAConfig(t *testing.T) {
	none, open := newWorld(t, Config{}, fake.Config{}), newWorld(t, Config{Policy: Policy{Network: cupel.NetworkHost, HostNetwork: true}}, fake.Config{})
	for config, want := range map[string][2]cupel.Network{
		`{}`:                        {cupel.NetworkNone, cupel.NetworkHost},
		`{"network":null}`:          {cupel.NetworkNone, cupel.NetworkHost},
		`{"network":""}`:            {cupel.NetworkNone, cupel.NetworkHost},
		`{"network":"bridge"}`:      {cupel.NetworkNone, cupel.NetworkHost},
		`{"network":"none"}`:        {cupel.NetworkNone, cupel.NetworkNone},
		`{"network_enabled":false}`: {cupel.NetworkNone, cupel.NetworkNone},
		`{"network_enabled":false,"network":"host"}`: {cupel.NetworkNone, cupel.NetworkNone},
		`{"network":"host"}`:                         {"", cupel.NetworkHost},
		`{"network":"mine"}`:                         {"", ""},
		`{"network":"container:x"}`:                  {"", ""},
	} {
		for i, w := range []*world{none, open} {
			p, err := w.server.plan(enclave.TypeDocker, json.RawMessage(config))
			switch {
			case want[i] == "" && cupel.KindOf(err) != cupel.Unsupported:
				t.Errorf("%s: %v, want a refusal", config, err)
			case want[i] != "" && (err != nil || p.spec.Network != want[i]):
				t.Errorf("%s: %v, want %s", config, err, want[i])
			}
		}
	}
}

func TestRefusedConfigsNameTheField(t *testing.T) {
	w := newWorld(t, Config{}, fake.Config{})
	for config, want := range map[string]string{
		`{"privileged":true}`:                             "privileged",
		`{"ports":{"8888/tcp":8888}}`:                     "ports",
		`{"volumes":{"/etc":{"bind":"/x"}}}`:              "volumes",
		`{"volumes":{"/etc":{"bind":"/x","type":"a"}}}`:   "volumes",
		`{"volumes":{"/etc":{"bind":"x"}}}`:               "volumes",
		`{"volumes":{"/etc":{"bind":"/x","mode":"z"}}}`:   "volumes",
		`{"extra_hosts":{"a":"host-gateway"}}`:            "extra_hosts",
		`{"extra_hosts":{"a":"fe80::1%eth0"}}`:            "extra_hosts",
		`{"extra_hosts":{"a b\n127.0.0.1 x":"10.0.0.1"}}`: "extra_hosts",
		`{"platform":"linux/s390x"}`:                      "platform",
		`{"platform":"windows/amd64"}`:                    "platform",
		`{"working_dir":"a"}`:                             "working_dir",
		`{"working_dir":"/a\u0000"}`:                      "working_dir",
		`{"env_vars":{"A":"\u0000"}}`:                     "env_vars",
		`{"command":"echo 'x"}`:                           "command",
		`{"command":["a\u0000"]}`:                         "command",
		`{"entrypoint":[""]}`:                             "command",
	} {
		a := w.ask("POST", "/sandbox/create?sandbox_type=docker", config)
		if a.status != 400 || !strings.HasPrefix(a.detail(), "Failed to create sandbox: ") || !strings.Contains(a.detail(), want) {
			t.Errorf("%s: %d %s", config, a.status, a.text)
		}
		if a := w.ask("POST", "/pool/initialize?pool_size=1", config); a.status != 400 || !strings.Contains(a.detail(), want) {
			t.Errorf("pool of %s: %d %s", config, a.status, a.text)
		}
	}
	if a := w.ask("POST", "/pool/initialize?pool_size=1", `{"command":"python server.py"}`); a.status != 400 || !strings.Contains(a.detail(), "command") {
		t.Errorf("a pool with a command: %d %s", a.status, a.text)
	}
	for _, fine := range []string{
		`{"platform":"linux/amd64"}`, `{"platform":"linux/` + runtime.GOARCH + `"}`, `{"platform":"linux/x86_64"}`, `{"platform":null}`, `{"working_dir":"/"}`, `{"working_dir":"/a//b/../c/"}`,
		`{"extra_hosts":{"a":"10.0.0.1","b":"::1"}}`, `{"entrypoint":[],"command":[]}`, `{"resource_limits":{"x":1}}`, `{"remove_on_exit":false}`, `{"pull_progress":true}`,
	} {
		w.must("POST", "/sandbox/create?sandbox_type=docker", fine)
	}
	w.must("POST", "/sandbox/create?sandbox_type=docker_notebook", `{"ports":{"8888/tcp":8888},"host":"0.0.0.0","port":1,"token":"x"}`)
}

func TestKeepsAlive(t *testing.T) {
	for words, want := range map[string]bool{
		"tail -f /dev/null": true, "sleep infinity": true, "/bin/sleep 3600": true, "cat": true, "bash": true, "sh -l": true, "/usr/bin/python3": true, "python -i": true,
		"sh -c 'sleep infinity'": true, `bash -lc "tail -F /dev/null"`: true, "sh -c 'sleep infinity; rm x'": false, "python -c pass": false, "python server.py": false,
		"sleep 1 2": false, "cat file": false, "tail -f log": false, "nginx": false, "sh -c ''": false,
	} {
		got, ok := splitWords(words)
		if !ok || keepsAlive(got) != want {
			t.Errorf("%s: %v, want %v", words, !want, want)
		}
	}
}

func TestSplitWords(t *testing.T) {
	for in, want := range map[string][]string{
		"": nil, "  ": nil, "a b": {"a", "b"}, `a 'b c' "d e"`: {"a", "b c", "d e"}, `a\ b`: {"a b"}, `"a\"b\\c\d"`: {"a\"b\\c\\d"}, `''`: {""}, `a''b`: {"ab"}, "a\tb\nc": {"a", "b", "c"},
	} {
		if got, ok := splitWords(in); !ok || !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for _, in := range []string{`'a`, `"a`, `a\`} {
		if _, ok := splitWords(in); ok {
			t.Errorf("%q is closed", in)
		}
	}
}

func TestToolsOfAConfig(t *testing.T) {
	w := newWorld(t, Config{}, fake.Config{})
	for typ, want := range map[enclave.SandboxType]string{
		enclave.TypeDocker:         "file_operation multi_code_executor python_executor shell_executor",
		enclave.TypeDockerNotebook: "file_operation multi_code_executor notebook_executor python_executor shell_executor",
		enclave.TypeVolcengine:     "multi_code_executor python_executor shell_executor",
	} {
		p, err := w.server.plan(typ, json.RawMessage(`{"tools_config":["python_executor","shell_executor","file_operation","multi_code_executor","notebook_executor","nope"]}`))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for name := range p.schemas() {
			names = append(names, name)
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s has %s, want %s", typ, got, want)
		}
	}
	p, err := w.server.plan(enclave.TypeDocker, json.RawMessage(`{"tools_config":{"python_executor":{"enabled":0},"shell_executor":{"name":"sh","description":"d"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if tool, ok := p.find("sh"); !ok || len(p.tools) != 1 || tool.schema.Function.Description != "d" || tool.Name != "shell_executor" {
		t.Errorf("tools = %+v", p.tools)
	}
}

func TestPlansThatDifferHavePoolsOfTheirOwn(t *testing.T) {
	w := newWorld(t, Config{Images: Images{{"a", "host"}, {"b", "host"}, {"*", "dir:/x"}}}, fake.Config{})
	key := func(config string) string {
		p, err := w.server.plan(enclave.TypeDocker, json.RawMessage(config))
		if err != nil {
			t.Fatal(err)
		}
		return p.key()
	}
	base := key(`{"image":"a"}`)
	for _, same := range []string{`{"image":"b"}`, `{"image":"a","timeout":5,"docker_executor_workers":3,"zzz":1}`} {
		if key(same) != base {
			t.Errorf("%s is another pool", same)
		}
	}
	for _, other := range []string{
		`{"image":"c"}`, `{"image":"a","working_dir":"/x"}`, `{"image":"a","env_vars":{"A":"b"}}`, `{"image":"a","tools_config":["shell_executor"]}`,
		`{"image":"a","memory_limit":"1g"}`, `{"image":"a","extra_hosts":{"a":"10.0.0.1"}}`,
	} {
		if key(other) == base {
			t.Errorf("%s is the same pool", other)
		}
	}
}

func TestMemTotal(t *testing.T) {
	for text, want := range map[string]cupel.Size{
		"MemFree: 1 kB\nMemTotal:       2048 kB\n": 2 * cupel.MiB, "": 4 * cupel.GiB, "MemTotal: x kB": 4 * cupel.GiB, "MemTotal: -1 kB": 4 * cupel.GiB,
	} {
		if got := memTotal([]byte(text)); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestNewChecksItsConfig(t *testing.T) {
	w := newWorld(t, Config{}, fake.Config{})
	good := w.server.cfg
	for name, change := range map[string]func(*Config){
		"no service": func(c *Config) { c.Service = nil }, "no door": func(c *Config) { c.Door = nil },
		"pattern": func(c *Config) { c.Images = Images{{"[", "host"}} }, "source": func(c *Config) { c.Images = Images{{"a", ""}} },
		"network": func(c *Config) { c.Policy.Network = "bridge" }, "volumes": func(c *Config) { c.Policy.Volumes = []string{"a"} },
		"time": func(c *Config) { c.Policy.MaxTime = 1000 * time.Hour },
	} {
		cfg := good
		change(&cfg)
		if s, err := New(cfg); err == nil {
			s.Close()
			t.Errorf("%s was accepted", name)
		}
	}
}
