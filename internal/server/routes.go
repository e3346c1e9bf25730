package server

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/nearest"
)

// handler answers a request, or returns an error before anything is written.
type handler func(s *Server, w http.ResponseWriter, r *http.Request) error

// route is one method of one path.
type route struct {
	method, path string
	// query are the parameters that it knows.
	query []string
	serve handler
}

// routes are all that /v1 has; openapi.json describes them, and a test
// compares the two.
var routes = []route{
	{"GET", "/v1/health", nil, (*Server).health},
	{"GET", "/v1/languages", nil, (*Server).languages},
	{"GET", "/v1/openapi.json", nil, (*Server).openAPI},
	{"POST", "/v1/run", []string{"stream"}, (*Server).run},
	{"POST", "/v1/sandboxes", nil, (*Server).createSandbox},
	{"GET", "/v1/sandboxes", nil, (*Server).listSandboxes},
	{"GET", "/v1/sandboxes/{id}", nil, (*Server).getSandbox},
	{"DELETE", "/v1/sandboxes/{id}", nil, (*Server).deleteSandbox},
	{"POST", "/v1/sandboxes/{id}/exec", []string{"stream"}, (*Server).exec},
	{"POST", "/v1/sandboxes/{id}/reset", nil, (*Server).resetSandbox},
	{"PUT", "/v1/sandboxes/{id}/files", []string{"dir"}, (*Server).putFiles},
	{"GET", "/v1/sandboxes/{id}/files", []string{"path"}, (*Server).getFiles},
	{"POST", "/v1/pools", nil, (*Server).createPool},
	{"GET", "/v1/pools", nil, (*Server).listPools},
	{"GET", "/v1/pools/{id}", nil, (*Server).getPool},
	{"POST", "/v1/pools/{id}/run", []string{"stream"}, (*Server).runInPool},
}

// newMux registers each path once, so that a wrong method is answered in the
// API's own form.
func (s *Server) newMux() *http.ServeMux {
	mux := http.NewServeMux()
	paths := map[string][]route{}
	for _, rt := range routes {
		paths[rt.path] = append(paths[rt.path], rt)
	}
	for path, methods := range paths {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { s.dispatch(w, r, methods) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.refuse(w, r, cupel.Errorf(cupel.NotFound, "", "there is no %s", shown(r.URL.Path)).
			WithHint("GET /v1/openapi.json describes every route"))
	})
	return mux
}

// dispatch calls the route of the request's method.
func (s *Server) dispatch(w http.ResponseWriter, r *http.Request, methods []route) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	i := slices.IndexFunc(methods, func(rt route) bool { return rt.method == method })
	if i < 0 {
		var allow []string
		for _, rt := range methods {
			allow = append(allow, rt.method)
		}
		w.Header().Set("Allow", strings.Join(allow, ", "))
		s.refuse(w, r, withStatus{http.StatusMethodNotAllowed,
			cupel.Invalidf("method", r.Method, "use "+strings.Join(allow, " or "))})
		return
	}
	err := checkQuery(r.URL, methods[i].query)
	if err == nil {
		err = methods[i].serve(s, w, r)
	}
	if err != nil {
		s.refuse(w, r, err)
	}
}

// checkQuery refuses parameters that the route doesn't know, and those given
// twice.
func checkQuery(u *url.URL, known []string) error {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return cupel.Invalidf("query", u.RawQuery, err.Error())
	}
	for key, values := range query {
		switch {
		case key == "api_key": // the door's
		case !slices.Contains(known, key) && len(known) == 0:
			return cupel.Invalidf("query parameter", key, "this route has none")
		case !slices.Contains(known, key):
			return cupel.Invalidf("query parameter", key, nearest.Fix(key, known))
		case len(values) > 1:
			return cupel.Invalidf("query parameter", key, "give it once")
		}
	}
	return nil
}

func shown(s string) string {
	const most = 200
	if len(s) > most {
		s = s[:most] + "…"
	}
	return s
}
