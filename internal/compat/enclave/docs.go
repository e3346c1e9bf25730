package enclave

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"strconv"
	"strings"
)

//go:embed docs.html
var docsPage string

var docsTemplate = template.Must(template.New("docs").Parse(docsPage))

// docsRow is a route on the page.
type docsRow struct {
	Method, Pattern, Summary, About, Body, Answer string
	Parameters                                    []docsParameter
	Refusals                                      []string
}

type docsParameter struct {
	Name, In, About, Schema string
	Required                bool
}

type docsSchema struct{ Name, Text string }

// docs is GET /docs: the document for people, which needs no other server and
// runs no script.
func (s *Server) docs(c *call) {
	page := struct {
		Version string
		Routes  []docsRow
		Schemas []docsSchema
	}{Version: s.cfg.Version}
	for _, rt := range s.routes {
		op := operations[rt.method+" "+rt.pattern]
		row := docsRow{Method: rt.method, Pattern: rt.pattern, Summary: op.summary, About: op.about}
		for _, p := range op.parameters {
			required, _ := p["required"].(bool)
			about, _ := p["description"].(string)
			name, _ := p["name"].(string)
			row.Parameters = append(row.Parameters, docsParameter{Name: name, In: "query", About: about, Required: required, Schema: brief(p["schema"])})
		}
		if op.body != nil {
			row.Body = brief(op.body["content"])
		}
		if op.answer != nil {
			row.Answer = brief(op.answer)
		}
		for _, status := range op.refusals {
			row.Refusals = append(row.Refusals, strconv.Itoa(status)+" "+refusalTexts[status])
		}
		page.Routes = append(page.Routes, row)
	}
	all := schemas(s.cfg.Policy.MaxPoolSize)
	for _, name := range sortedKeys(all) {
		page.Schemas = append(page.Schemas, docsSchema{name, indented(all[name])})
	}
	var b bytes.Buffer
	if err := docsTemplate.Execute(&b, page); err != nil {
		c.refuse(http.StatusInternalServerError, "the page could not be written: "+err.Error())
		return
	}
	h := c.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	_, _ = c.w.Write(b.Bytes()) // a client that is gone has nobody to tell
}

// brief is a schema on one line, its references by name.
func brief(schema any) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(indented(schema), "#/components/schemas/", "")), " ")
}
