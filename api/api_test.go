package api

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"cupel.dev/cupel"
)

// The result's JSON is a contract: keys, their order, what is null.
func TestResultJSON(t *testing.T) {
	res := cupel.Result{
		Status: cupel.StatusMemoryLimit, ExitCode: -1, Signal: "SIGKILL", LimitsHit: []cupel.LimitName{cupel.LimitMemory}, StderrTruncated: true,
		Usage: cupel.Usage{Wall: 12345 * time.Microsecond, CPUUser: time.Second, CPUSys: 3 * time.Microsecond, MemoryPeak: cupel.MiB, ProcessesPeak: 2,
			Unobserved: []cupel.LimitName{cupel.LimitFiles}},
		Startup: cupel.StartupWarm,
	}
	doc := NewResult(res, "native", cupel.Isolation{Tier: cupel.TierNamespaces}, []byte("a\xff\xfeb\xc3"), []byte("é"))
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"status":"memory_limit","exit_code":null,"signal":"SIGKILL","limits_hit":["memory"],` +
		`"stdout":"a` + "\uFFFDb\uFFFD" + `","stderr":"é","stdout_base64":"Yf/+YsM=","stdout_truncated":false,"stderr_truncated":true,` +
		`"usage":{"wall_ms":12.345,"cpu_user_ms":1000,"cpu_sys_ms":0.003,"memory_peak_bytes":1048576,"processes_peak":2,"unobserved":["files"]},` +
		`"compile":null,"engine":"native","isolation":{"tier":"namespaces","missing":[]},"startup":"warm"}`
	if string(raw) != want {
		t.Errorf("got  %s\nwant %s", raw, want)
	}
	var back Result
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	res.Isolation = cupel.Isolation{Tier: cupel.TierNamespaces, Missing: []string{}}
	if got := back.Cupel(); !reflect.DeepEqual(got, res) {
		t.Errorf("came back as %+v, went as %+v", got, res)
	}
	if out, errOut := back.Output(); string(out) != "a\xff\xfeb\xc3" || string(errOut) != "é" {
		t.Errorf("output %q %q", out, errOut)
	}
}

// A program that does not compile wrote nothing and exited nowhere.
func TestSetCompile(t *testing.T) {
	step := cupel.Result{Status: cupel.StatusNonzero, ExitCode: 1}
	doc := NewResult(cupel.Result{Status: cupel.StatusCompileError, ExitCode: 1, Signal: "SIGKILL", StdoutTruncated: true}, "native", cupel.Isolation{}, nil, nil)
	doc.SetCompile(NewResult(step, "native", cupel.Isolation{}, nil, []byte("error")))
	if doc.ExitCode != nil || doc.Signal != "" || doc.StdoutTruncated || *doc.Compile.ExitCode != 1 || doc.Compile.Stderr != "error" {
		t.Errorf("%+v", doc)
	}
	ran := NewResult(cupel.Result{Status: cupel.StatusNonzero, ExitCode: 3}, "native", cupel.Isolation{}, nil, nil)
	ran.SetCompile(NewResult(cupel.Result{Status: cupel.StatusOK}, "native", cupel.Isolation{}, nil, nil))
	if *ran.ExitCode != 3 || *ran.Compile.ExitCode != 0 {
		t.Errorf("%+v", ran)
	}
}

// Limits read what the command line's flags read, and plain numbers.
func TestLimits(t *testing.T) {
	var got Limits
	text := `{"time": "1m30s", "cpu": 2.5, "cpus": "0.5", "memory": "512MiB", "processes": 64.0, "files": "7",
		"file_size": 1048576, "disk": "0.5g", "inodes": 100, "output": " 4 KiB "}`
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	want := cupel.Limits{
		Time: 90 * time.Second, CPUTime: 2500 * time.Millisecond, CPUs: 0.5, Memory: 512 * cupel.MiB, Processes: 64, Files: 7,
		FileSize: cupel.MiB, Disk: 512 * cupel.MiB, Inodes: 100, Output: 4 * cupel.KiB,
	}
	if got.Cupel() != want {
		t.Errorf("got %+v, want %+v", got.Cupel(), want)
	}
	raw, err := json.Marshal(NewLimits(want))
	if err != nil {
		t.Fatal(err)
	}
	var again Limits
	if err := json.Unmarshal(raw, &again); err != nil || again != got {
		t.Errorf("%s: %+v, %v", raw, again, err)
	}
	for _, bad := range []string{
		`{"time": 0}`, `{"time": "0s"}`, `{"time": -1}`, `{"time": 1e300}`, `{"time": "1 hour"}`, `{"time": true}`, `{"time": [1]}`,
		`{"memory": "1 byte"}`, `{"memory": 0}`, `{"memory": "-1m"}`, `{"memory": "NaN"}`, `{"processes": 1.5}`, `{"processes": 1e30}`,
		`{"processes": "x"}`, `{"cpus": "NaN"}`, `{"cpus": "-1"}`, `{"memory": {}}`, `{"memory": ""}`,
	} {
		var l Limits
		err := json.Unmarshal([]byte(bad), &l)
		if _, ok := errors.AsType[*ValueError](err); !ok {
			t.Errorf("%s: %v, %+v", bad, err, l)
		}
	}
}

func TestFile(t *testing.T) {
	for text, want := range map[string]string{`"é\n"`: "é\n", `""`: "", `{"base64": "/wA="}`: "\xff\x00", `{"base64": ""}`: ""} {
		var f File
		if err := json.Unmarshal([]byte(text), &f); err != nil || string(f) != want {
			t.Errorf("%s: %q, %v", text, f, err)
		}
		raw, err := json.Marshal(f)
		var again File
		if err != nil || json.Unmarshal(raw, &again) != nil || string(again) != want {
			t.Errorf("%s became %s, %v", text, raw, err)
		}
	}
	for _, bad := range []string{`7`, `[]`, `{}`, `{"base64": null}`, `{"base64": "?"}`, `{"base64": "", "x": ""}`, `true`} {
		var f File
		if err := json.Unmarshal([]byte(bad), &f); err == nil {
			t.Errorf("%s was read as %q", bad, f)
		}
	}
}

// A spec loses nothing on the way.
func TestSpec(t *testing.T) {
	want := cupel.Spec{
		Image: "host", Mounts: []cupel.Mount{{Source: "/a", Target: "/b", Writable: true}}, Limits: cupel.DefaultLimits(), Network: cupel.NetworkHost,
		User: "1:2", Env: map[string]string{"A": "B"}, Dir: "/d", Writable: true, Privileges: cupel.PrivilegesContainer, Isolation: cupel.IsolationAny,
	}
	raw, err := json.Marshal(NewSpec(want))
	if err != nil {
		t.Fatal(err)
	}
	var got Spec
	if err := json.Unmarshal(raw, &got); err != nil || !reflect.DeepEqual(got.Cupel(), want) {
		t.Errorf("%+v, %v", got.Cupel(), err)
	}
	if n := reflect.TypeFor[Spec]().NumField(); n != reflect.TypeFor[cupel.Spec]().NumField() {
		t.Errorf("Spec has %d fields", n)
	}
	if n := reflect.TypeFor[Limits]().NumField(); n != reflect.TypeFor[cupel.Limits]().NumField() {
		t.Errorf("Limits has %d fields", n)
	}
}

func TestError(t *testing.T) {
	e := cupel.Errorf(cupel.Exhausted, "admit", "%d wait", 3).WithHint("later")
	doc := NewError(e)
	back := doc.Error.Cupel()
	if back.Kind != cupel.Exhausted || back.Error() != "admit: 3 wait" || back.Hint != "later" {
		t.Errorf("%+v", back)
	}
	if raw, _ := json.Marshal(doc); string(raw) != `{"error":{"kind":"exhausted","message":"admit: 3 wait","hint":"later"}}` {
		t.Errorf("%s", raw)
	}
}

func FuzzLimits(f *testing.F) {
	f.Add([]byte(`{"time": "1m30s", "cpu": 2.5, "cpus": "0.5", "memory": "512MiB", "processes": 64.0, "disk": "0.5g"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var l Limits
		if json.Unmarshal(raw, &l) != nil {
			return
		}
		if l.Time < 0 || l.Memory < 0 || l.Processes < 0 || l.CPUs < 0 || l.CPUs != l.CPUs {
			t.Errorf("%s: %+v", raw, l)
		}
		out, err := json.Marshal(l)
		if err != nil {
			return // endless cores, which Validate refuses
		}
		var again Limits
		if err := json.Unmarshal(out, &again); err != nil || again != l {
			t.Errorf("%s became %s: %v", raw, out, err)
		}
	})
}
