package enclave

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recorded are the requests and answers that the server of this protocol is
// tested with; those that make sandboxes test ParseConfig too.
const recorded = "../../compat/enclave/testdata/dialogues.json"

type turn struct {
	Method, Path string
	JSON         json.RawMessage `json:"json"`
	Status       int
	Answer       any
}

func dialogues(t testing.TB) map[string][]turn {
	t.Helper()
	text, err := os.ReadFile(recorded)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Dialogues map[string][]turn }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return file.Dialogues
}

var link = regexp.MustCompile(`\n    For further information visit \S+`)

// TestParseConfigSaysWhatPydanticSays compares the words for every config that
// the original refused, and accepts what it accepted.
func TestParseConfigSaysWhatPydanticSays(t *testing.T) {
	stricter := []string{`"inf"`, `"nan"`, `"1g\n"`, `"\u0661g"`} // see the door's test for why
	n := 0
	for _, turns := range dialogues(t) {
		for _, tn := range turns {
			_, typ, ok := strings.Cut(tn.Path, "/sandbox/create?sandbox_type=")
			answer, _ := tn.Answer.(map[string]any)
			detail, _ := answer["detail"].(string)
			want, refused := strings.CutPrefix(link.ReplaceAllString(detail, ""), "Failed to create sandbox: ")
			if !ok || tn.JSON == nil || refused && !strings.Contains(want, "validation error") || tn.Status == 422 {
				continue
			}
			n++
			_, err := ParseConfig(SandboxType(typ), tn.JSON)
			got := ""
			if err != nil {
				got = err.Error()
			}
			for _, s := range stricter {
				if strings.Contains(string(tn.JSON), s) && err != nil {
					got = ""
				}
			}
			if got != want {
				t.Errorf("%s %s:\n%s\nwant\n%s", typ, tn.JSON, got, want)
			}
		}
	}
	if n < 150 {
		t.Errorf("only %d configs were compared", n)
	}
}

// TestConfigIsShownAsTheirs compares what SandboxInfo shows.
func TestConfigIsShownAsTheirs(t *testing.T) {
	n := 0
	for name, turns := range dialogues(t) {
		if !strings.HasPrefix(name, "info ") || turns[0].JSON == nil {
			continue
		}
		n++
		_, typ, _ := strings.Cut(turns[0].Path, "sandbox_type=")
		c, err := ParseConfig(SandboxType(typ), turns[0].JSON)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		shown, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var got any
		if err := json.Unmarshal(shown, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(turns[1].Answer.(map[string]any)["config"], got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	if n < 5 {
		t.Errorf("only %d configs were compared", n)
	}
}

func TestFloatsKeepTheirFraction(t *testing.T) {
	c, err := ParseConfig(TypeDocker, json.RawMessage(`{"cpu_limit": 2}`))
	if err != nil {
		t.Fatal(err)
	}
	if shown, err := json.Marshal(c); err != nil || !strings.Contains(string(shown), `"cpu_limit":2.0,`) {
		t.Errorf("%s, %v", shown, err)
	}
	for f, want := range map[Float]string{0: "0.0", 1e16: "1e+16", 123456789012345: "123456789012345.0", 0.0001: "0.0001", 0.00001: "1e-05", -1.5: "-1.5", 1e22: "1e+22"} {
		if got := f.String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestNothingIsTheDefault(t *testing.T) {
	want, err := json.Marshal(DefaultConfig(TypeDocker))
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range []string{"", "null", "{}", " {} "} {
		c, err := ParseConfig(TypeDocker, json.RawMessage(raw))
		if got, _ := json.Marshal(c); err != nil || string(got) != string(want) {
			t.Errorf("%q: %s, %v", raw, got, err)
		}
	}
	for _, raw := range []string{"[]", "1", "{", "nul", "\xff", strings.Repeat("[", 100000)} {
		if _, err := ParseConfig(TypeDocker, json.RawMessage(raw)); err == nil {
			t.Errorf("%q was read", raw[:min(10, len(raw))])
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	for _, turns := range dialogues(f) {
		for _, tn := range turns {
			if strings.Contains(tn.Path, "/sandbox/create") {
				f.Add(uint8(0), []byte(tn.JSON))
			}
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, raw []byte) {
		c, err := ParseConfig(SandboxTypes[int(which)%len(SandboxTypes)], raw)
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error without words")
			}
			return
		}
		shown, err := json.Marshal(c)
		if err != nil {
			t.Fatalf("%q can't be shown: %v", raw, err)
		}
		if c.Network == nil {
			return // what isn't shown becomes the default again, as with theirs
		}
		// What is shown can be sent again, and means the same.
		again, err := ParseConfig(c.Type, shown)
		if err != nil {
			t.Fatalf("%s of %q: %v", shown, raw, err)
		}
		if twice, _ := json.Marshal(again); string(twice) != string(shown) {
			t.Fatalf("%q is shown as %s and then as %s", raw, shown, twice)
		}
	})
}
