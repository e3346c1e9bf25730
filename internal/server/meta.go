package server

import (
	_ "embed"
	"net/http"

	"cupel.dev/cupel/api"
	"cupel.dev/cupel/internal/lang"
)

//go:embed openapi.json
var openAPI []byte

func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openAPI) // a caller that went away is not told
	return nil
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) error {
	st := s.cfg.Service.Stats()
	writeJSON(w, http.StatusOK, api.Health{
		Status: "ok", Version: s.cfg.Version, Engine: s.cfg.Engine.Name,
		Programs: s.cfg.Service.Programs(), Running: st.Running, Queued: st.Queued,
	})
	return nil
}

func (s *Server) languages(w http.ResponseWriter, _ *http.Request) error {
	list := api.LanguageList{Languages: []api.Language{}}
	for _, l := range lang.All() {
		aliases := l.Aliases
		if aliases == nil {
			aliases = []string{}
		}
		list.Languages = append(list.Languages, api.Language{
			Name: l.Name, Aliases: aliases, File: l.File, Compiled: l.Compile != nil, Needs: l.Needs, Install: l.Install,
		})
	}
	writeJSON(w, http.StatusOK, list)
	return nil
}
