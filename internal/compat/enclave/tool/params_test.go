package tool

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/wire/enclave"
)

func TestBadParameters(t *testing.T) {
	tests := []struct {
		tool, in string
		want     string // all of the message
	}{
		{pythonTool, `{}`, "python_executor: parameter code is missing: give it"},
		{pythonTool, `{"code": 5}`, "python_executor: parameter code 5 is not valid: give a string"},
		{pythonTool, `{"code": null}`, "python_executor: parameter code null is not valid: give a string"},
		{pythonTool, `{"code": "1", "timeot": 5}`, `python_executor: unknown parameter "timeot": did you mean timeout? known: code, timeout`},
		{pythonTool, `{"code": "1", "timeout": "5"}`, `python_executor: parameter timeout "5" is not valid: give a number of seconds, or null`},
		{pythonTool, `{"code": "1", "timeout": true}`, "python_executor: parameter timeout true is not valid: give a number of seconds, or null"},
		{pythonTool, `{"code": "1", "timeout": 61}`, "python_executor: parameter timeout 61 is not valid: at most 60 seconds are allowed here"},
		{pythonTool, `{"code": "1", "timeout": 1e999}`, "python_executor: parameter timeout 1e999 is not valid: at most 60 seconds are allowed here"},
		{shellTool, `{"command": {}}`, "shell_executor: parameter command {} is not valid: give a string or a list of strings"},
		{shellTool, `{"command": null}`, "shell_executor: parameter command null is not valid: give a string or a list of strings"},
		{shellTool, `{"command": ["a", 5]}`, "shell_executor: parameter command[1] 5 is not valid: give a string"},
		{shellTool, `{"command": ["", "a"]}`, `shell_executor: parameter command[0] "" is not valid: name the program to run`},
		{shellTool, `{"command": "a\u0000"}`, `shell_executor: parameter command "a\u0000" is not valid: leave the NUL out`},
		{shellTool, `{"command": ["a", "\u0000"]}`, `shell_executor: parameter command[1] "\u0000" is not valid: leave the NUL out`},
		{fileTool, `{"operation": "read"}`, "file_operation: parameter file_path is missing: give it"},
		{fileTool, `{"operation": "read", "file_path": "a\u0000"}`, `file_operation: parameter file_path "a\u0000" is not valid: leave the NUL out`},
		{fileTool, `{"operation": "write", "file_path": "a", "content": 5}`, "file_operation: parameter content 5 is not valid: give a string"},
		{fileTool, `{"operation": "write", "file_path": "a", "content": "", "encoding": null}`, "file_operation: parameter encoding null is not valid: give a string"},
		{multiTool, `{"language": "c", "code": "x", "files": []}`, "multi_code_executor: parameter files [] is not valid: give an object of file names and contents"},
		{multiTool, `{"language": "c", "code": "x", "files": {"a": 5}}`, `multi_code_executor: parameter files["a"] 5 is not valid: give a string`},
		{multiTool, `{"language": "c", "code": "x", "files": {"a/..": ""}}`, `multi_code_executor: parameter files "a/.." is not valid: give names of files, of at most 255 bytes`},
		{multiTool, `{"language": "c", "code": "x", "compile_timeout": 100}`, "multi_code_executor: parameter compile_timeout 100 is not valid: at most 60 seconds are allowed here"},
		{multiTool, `{"language": "c", "code": "x", "run_timeout": "0"}`, `multi_code_executor: parameter run_timeout "0" is not valid: give a number of seconds, or null`},
		{notebookTool, `{"code": []}`, "notebook_executor: parameter code [] is not valid: give a string"},
	}
	for _, tt := range tests {
		tool, _ := Lookup(tt.tool)
		var in map[string]json.RawMessage
		if err := json.Unmarshal([]byte(tt.in), &in); err != nil {
			t.Fatal(err)
		}
		// No sandbox: nothing may be run for a call that is refused.
		_, err := tool.Execute(t.Context(), Place{MaxTime: time.Minute}, in)
		if cupel.KindOf(err) != cupel.Invalid || err.Error() != tt.want {
			t.Errorf("%s(%s):\ngot  %v\nwant %s", tt.tool, tt.in, err, tt.want)
		}
	}
}

func TestTimeouts(t *testing.T) {
	tests := []struct {
		raw   string // "" is absent
		most  time.Duration
		limit time.Duration
		given string
	}{
		{"", 0, 30 * time.Second, "30"},
		{"", time.Minute, 30 * time.Second, "30"},
		{"", 10 * time.Second, 10 * time.Second, "10"},
		{"null", time.Minute, time.Minute, "60"},
		{"0", time.Minute, time.Minute, "60"},
		{"-1", time.Minute, time.Minute, "60"},
		{"null", 0, 0, ""},
		{" 4 ", time.Minute, 4 * time.Second, "4"},
		{"4.0", time.Minute, 4 * time.Second, "4.0"},
		{"1e1", time.Minute, 10 * time.Second, "10.0"},
		{"0.25", time.Minute, 250 * time.Millisecond, "0.25"},
		{"1e-9", time.Minute, time.Millisecond, "1e-09"},
		{"60", time.Minute, time.Minute, "60"},
		{"604800", 0, 168 * time.Hour, "604800"},
	}
	for _, tt := range tests {
		p := &params{tool: "x", in: map[string]json.RawMessage{}}
		if tt.raw != "" {
			p.in["timeout"] = json.RawMessage(tt.raw)
		}
		if got := p.timeout("timeout", 30*time.Second, tt.most); got != (timeout{tt.limit, tt.given}) || p.err != nil {
			t.Errorf("timeout %q with at most %v = %+v, %v", tt.raw, tt.most, got, p.err)
		}
	}
	p := &params{tool: "x", in: map[string]json.RawMessage{"timeout": json.RawMessage("1e300")}}
	if p.timeout("timeout", 0, 0); cupel.KindOf(p.err) != cupel.Invalid {
		t.Errorf("a timeout of ages: %v", p.err)
	}
}

// decode must give what Python's errors="replace" gives.
func TestDecodeReplaces(t *testing.T) {
	for in, want := range map[string]string{
		"a€😀": "a€😀", "": "", "\xff": "�", "\xff\xfe": "��", "\xe2\x82": "�", "\xe2\x82a": "�a", "\xe2\x28\xa1": "�(�",
		"\xed\xa0\x80": "���", "\xf0\x90\x80": "�", "\xf0\x80\x80": "���", "\xf4\x90\x80\x80": "����", "\xc0\xaf": "��",
		"\xe0\x80\xaf": "���", "\xf8\x88\x80\x80\x80": "�����", "\xc3": "�", "\xe2\x82\xe2\x82\xac": "�€", "�": "�",
	} {
		if got := decode([]byte(in)); got != want {
			t.Errorf("decode(%q) = %q, want %q", in, got, want)
		}
	}
}

// The judge of that is Python itself, where there is one.
func TestDecodeLikePython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3")
	}
	const alphabet = "a\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xec\xed\xee\xef\xf0\xf1\xf3\xf4\xf5\xff"
	random := rand.New(rand.NewPCG(1, 2))
	var in, want bytes.Buffer
	for range 20_000 {
		b := make([]byte, random.IntN(9))
		for i := range b {
			b[i] = alphabet[random.IntN(len(alphabet))]
		}
		fmt.Fprintf(&in, "%x\n", b)
		fmt.Fprintf(&want, "%x\n", decode(b))
	}
	cmd := exec.Command(python, "-c", "import sys\nfor l in sys.stdin: print(bytes.fromhex(l.strip()).decode('utf-8', 'replace').encode().hex())")
	cmd.Stdin = &in
	got, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("decode differs from Python's errors='replace'")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("a\xe2\x82b\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		got := decode(in)
		if !utf8.ValidString(got) || utf8.Valid(in) && got != string(in) {
			t.Errorf("decode(%q) = %q", in, got)
		}
	})
}

func TestLoneSurrogates(t *testing.T) {
	tests := []struct {
		raw  string
		want *loneSurrogate
	}{
		{`"a\ud83d\ude00b"`, nil},
		{`"\\ud800"`, nil},
		{`"\ud800"`, &loneSurrogate{0xd800, 0}},
		{`"é\n\ud83d\ude00\ud800x"`, &loneSurrogate{0xd800, 3}},
		{`"\udc00\ud800"`, &loneSurrogate{0xdc00, 0}},
		{`"\ud800\ud800\udc00"`, &loneSurrogate{0xd800, 0}},
		{`""`, nil},
	}
	for _, tt := range tests {
		if got := findLone([]byte(tt.raw)); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("findLone(%s) = %v, want %v", tt.raw, got, tt.want)
		}
	}
}

// FuzzParameters runs every tool's decoding on any object. A tool that accepts
// it goes on to the sandbox, which is not there: that must be the only end.
func FuzzParameters(f *testing.F) {
	for _, seed := range []string{
		`{"code": "print(1)", "timeout": 5}`, `{"command": ["a", "b"]}`, `{"command": "x", "timeout": null}`,
		`{"language": "cpp", "code": "x", "files": {"a": "b", "c/d": "e"}, "run_timeout": 1.5}`,
		`{"operation": "write", "file_path": "x", "content": "\ud800", "encoding": "utf-16"}`, `{"code": "\udc00"}`, `{}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var in map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &in) != nil {
			return
		}
		for _, tool := range tools {
			sb := &noSandbox{}
			out, err := tool.Execute(t.Context(), Place{Sandbox: sb, MaxTime: time.Minute}, in)
			switch {
			case sb.called && err != errNoSandbox:
				t.Errorf("%s(%s): the machine's error became %v", tool.Name, text, err)
			case !sb.called && err == nil && (out.Result.Error == nil || out.Result.Status != enclave.Error):
				t.Errorf("%s(%s): nothing ran, and all is well: %+v", tool.Name, text, out)
			case !sb.called && err != nil && (cupel.KindOf(err) != cupel.Invalid || !strings.HasPrefix(err.Error(), tool.Name+": ")):
				t.Errorf("%s(%s): %v", tool.Name, text, err)
			case err != nil && len(err.Error()) > 1000:
				t.Errorf("%s: an error of %d bytes", tool.Name, len(err.Error()))
			}
		}
	})
}

// The schemas are the protocol's: testdata/schemas.json is what its own server
// gives for a sandbox with all tools.
func TestSchemas(t *testing.T) {
	raw, err := os.ReadFile("testdata/schemas.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string]any
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	ours := map[string]enclave.ToolSchema{}
	for _, name := range Names() {
		tool, ok := Lookup(name)
		if !ok {
			t.Fatalf("no tool %s", name)
		}
		ours[name] = tool.Schema
	}
	raw, err = json.Marshal(ours)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, golden) {
		t.Errorf("schemas:\n%s", raw)
	}
}

func TestTypes(t *testing.T) {
	fits := map[string][]enclave.SandboxType{
		pythonTool:   {enclave.TypeDocker, enclave.TypeDockerNotebook, enclave.TypeVolcengine},
		shellTool:    {enclave.TypeDocker, enclave.TypeDockerNotebook, enclave.TypeVolcengine},
		multiTool:    {enclave.TypeDocker, enclave.TypeDockerNotebook, enclave.TypeVolcengine},
		fileTool:     {enclave.TypeDocker, enclave.TypeDockerNotebook},
		notebookTool: {enclave.TypeDockerNotebook},
	}
	for _, name := range Names() {
		tool, _ := Lookup(name)
		var got []enclave.SandboxType
		for _, kind := range enclave.SandboxTypes {
			if tool.Fits(kind) {
				got = append(got, kind)
			}
		}
		if !reflect.DeepEqual(got, fits[name]) {
			t.Errorf("%s fits %v", name, got)
		}
	}
	if _, ok := Lookup("nope"); ok {
		t.Error("there is a tool nope")
	}
}
