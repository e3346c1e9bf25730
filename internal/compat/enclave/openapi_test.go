package enclave

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cupel.dev/cupel/internal/engine/fake"
)

// TestDocumentIsTheHandlers walks the routes and the document, each against
// the other.
func TestDocumentIsTheHandlers(t *testing.T) {
	w := newWorld(t, Config{}, fake.Config{})
	doc := w.must("GET", "/openapi.json", nil)
	paths, _ := doc.field("paths").(map[string]any)
	seen := 0
	for _, rt := range routes() {
		if _, ok := operations[rt.method+" "+rt.pattern]; !ok {
			t.Errorf("%s %s is described nowhere", rt.method, rt.pattern)
		}
		for _, world := range []string{"", "/pools/{name}"} {
			item, _ := paths[world+rt.pattern].(map[string]any)
			if item[strings.ToLower(rt.method)] == nil {
				t.Errorf("%s %s%s is not in the document", rt.method, world, rt.pattern)
			}
		}
	}
	if len(operations) != len(routes()) {
		t.Errorf("%d operations for %d routes", len(operations), len(routes()))
	}
	methods := []string{"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"}
	for pattern, item := range paths {
		path := strings.NewReplacer("{sandbox_id}", "zzzzzzzz", "{name}", "mine").Replace(pattern)
		for _, method := range methods {
			_, described := item.(map[string]any)[strings.ToLower(method)]
			a := w.ask(method, path, nil)
			if strings.HasSuffix(pattern, "/sandbox/create") && (method == "GET" || method == "DELETE") {
				continue // which are of /sandbox/{sandbox_id}, as with theirs
			}
			if (a.status == http.StatusMethodNotAllowed) == described {
				t.Errorf("%s %s: %d, described %v", method, path, a.status, described)
			}
			if described {
				seen++
			}
		}
	}
	if seen != 2*len(routes()) {
		t.Errorf("%d operations were asked, want %d", seen, 2*len(routes()))
	}
}

// TestDocumentIsWhole looks for references that lead nowhere and parameters
// that a path doesn't have.
func TestDocumentIsWhole(t *testing.T) {
	w := newWorld(t, Config{}, fake.Config{})
	text, err := json.Marshal(w.server.document())
	if err != nil {
		t.Fatal(err)
	}
	all := schemas(1)
	for rest := string(text); ; {
		_, after, found := strings.Cut(rest, `"#/components/schemas/`)
		if !found {
			break
		}
		name, tail, _ := strings.Cut(after, `"`)
		if all[name] == nil {
			t.Errorf("there is no schema %s", name)
		}
		rest = tail
	}
	ids := map[string]bool{}
	paths, _ := w.must("GET", "/openapi.json", nil).field("paths").(map[string]any)
	for pattern, item := range paths {
		for method, op := range item.(map[string]any) {
			op := op.(map[string]any)
			id := op["operationId"].(string)
			if ids[id] {
				t.Errorf("operationId %s is there twice", id)
			}
			ids[id] = true
			for _, p := range op["parameters"].([]any) {
				p := p.(map[string]any)
				if in := p["in"] == "path"; in != strings.Contains(pattern, "{"+p["name"].(string)+"}") {
					t.Errorf("%s %s: parameter %v", method, pattern, p["name"])
				}
			}
		}
	}
}

// TestAnswersAreDeclared asks for every kind of refusal that is recorded, and
// looks it up in the document.
func TestAnswersAreDeclared(t *testing.T) {
	w := newWorld(t, Config{}, fake.Config{})
	for name, turns := range dialogues(t) {
		for _, turn := range turns {
			r := turn.request(t, "zzzzzzzz")
			rt, _, _ := w.server.find(r.Method, r.URL.Path)
			if rt == nil {
				continue
			}
			a := w.send(r)
			declared := operations[rt.method+" "+rt.pattern].responses()
			if declared[strconv.Itoa(a.status)] == nil {
				t.Errorf("%s: %s %s answers %d, which is not declared", name, r.Method, r.URL, a.status)
			}
		}
	}
	for status := range refusalTexts {
		if !slices.Contains(commonRefusals, status) && !slices.ContainsFunc(routes(), func(rt route) bool {
			return slices.Contains(operations[rt.method+" "+rt.pattern].refusals, status)
		}) {
			t.Errorf("%d has a text and no use", status)
		}
	}
}

func TestDocsNeedNoOtherServer(t *testing.T) {
	w := newWorld(t, Config{}, fake.Config{})
	a := w.must("GET", "/docs", nil)
	if !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") || strings.Contains(a.text, "<script") || strings.Contains(a.text, "src=") || strings.Contains(a.text, "http:") || strings.Contains(a.text, "https:") {
		t.Errorf("docs: %v\n%s", a.header, a.text)
	}
	for _, rt := range routes() {
		if !strings.Contains(a.text, "<code>"+rt.pattern+"</code>") {
			t.Errorf("%s is not on the page", rt.pattern)
		}
	}
}
