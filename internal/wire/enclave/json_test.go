package enclave

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCheckJSONFindsThePlace(t *testing.T) {
	for text, want := range map[string]struct {
		at  int
		why string
	}{
		`{"a":1,}`: {7, "Expecting property name enclosed in double quotes"}, `[1,]`: {3, "Expecting value"}, `"€\q"`: {2, `Invalid \escape`},
		`"\u12"`: {2, `Invalid \uXXXX escape`}, `"\u12345`: {0, "Unterminated string starting at"}, `"a\`: {0, "Unterminated string starting at"}, "\"\x01\"": {1, "Invalid control character at"},
		`{"a":1}x`: {7, "Extra data"}, "": {0, "Expecting value"}, "-": {0, "Expecting value"}, "01": {1, "Extra data"}, "1.e5": {1, "Extra data"}, "{\"a\"\x001}": {4, "Expecting ':' delimiter"},
		"\xef\xbb\xbf{": {1, "Expecting property name enclosed in double quotes"}, "[1\x00": {2, "Expecting ',' delimiter"}, "Nan": {0, "Expecting value"},
	} {
		v, bad, err := CheckJSON([]byte(text))
		if err != nil || bad == nil || bad.Loc[1] != want.at || bad.Ctx["error"] != want.why {
			t.Errorf("%q: %s, %+v, %v, want %+v", text, v, bad, err, want)
		}
	}
	for _, text := range []string{"\xff", strings.Repeat("[", 100_000), strings.Repeat(`{"a":`, 100_000), "[" + strings.Repeat("0,", maxValues) + "0]"} {
		if _, _, err := CheckJSON([]byte(text)); !errors.Is(err, ErrNotText) {
			t.Errorf("%.10q: %v", text, err)
		}
	}
}

func TestMembersAndItems(t *testing.T) {
	v, bad, err := CheckJSON([]byte(` { "a" : [ 1 , {"x":"]"} ] , "b":{}, "a" : NaN , "":-Infinity} `))
	if bad != nil || err != nil {
		t.Fatal(bad, err)
	}
	var got []string
	for _, m := range v.Members() {
		got = append(got, m.Key+"="+string(m.Value)+":"+m.Value.Kind())
	}
	if want := []string{"a=NaN:float", "b={}:dict", "=-Infinity:float"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if items := Value(`[ 1 ,[2, 3],"," ]`).Items(); len(items) != 3 || string(items[1]) != "[2, 3]" {
		t.Errorf("%q", items)
	}
}

// FuzzCheckJSON compares with encoding/json, which knows all but the mark and
// Python's three numbers.
func FuzzCheckJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e3,"x\u00e9",null,true,false,NaN,-Infinity]}`, `{"a":1,}`, `[`, `"\ud800"`, "\xef\xbb\xbf{}", `{"a":1,"a":2}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, bad, err := CheckJSON(text)
		known := utf8.Valid(text) && !strings.Contains(string(text), "NaN") && !strings.Contains(string(text), "Infinity") && !strings.HasPrefix(string(text), "\xef\xbb\xbf")
		if ok := bad == nil && err == nil; known && err == nil && ok != json.Valid(text) {
			t.Fatalf("%q: accepted %v, encoding/json %v", text, ok, json.Valid(text))
		}
		if bad != nil {
			if at, _ := bad.Loc[1].(int); at < 0 || at > len(text) {
				t.Fatalf("%q: %+v", text, bad)
			}
			return
		}
		if err != nil {
			return
		}
		if out, err := json.Marshal(v); err != nil || !json.Valid(out) {
			t.Fatalf("%q: %q, %v", text, out, err)
		}
		v.clipped()
		for _, m := range v.Members() {
			m.Value.Kind()
		}
		v.Items()
	})
}

func FuzzToolExecution(f *testing.F) {
	for _, s := range []string{`{"sandbox_id":"a","tool_name":"b","parameters":{"code":"x"},"timeout":"5"}`, `[]`, `{"timeout":1e300}`, `{"parameters":null}`} {
		f.Add("pool_size=1&timeout=1e3&status=idle", []byte(s), true)
	}
	f.Fuzz(func(t *testing.T, query string, body []byte, isJSON bool) {
		r := NewRequest(query)
		r.Int("pool_size")
		r.Float("timeout")
		Choice(r, "status", false, SandboxStatuses)
		asked, err := r.ToolExecution(body, isJSON)
		text, merr := json.Marshal(Invalid{r.Problems()})
		if merr != nil || !json.Valid(text) {
			t.Fatalf("%q %q: %v", query, body, merr)
		}
		if err == nil && len(r.Problems()) == 0 {
			for name, p := range asked.Parameters {
				if len(p) == 0 {
					t.Fatalf("%q has no value in %q", name, body)
				}
			}
		}
	})
}
