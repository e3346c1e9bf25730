package server

import (
	"io"
	"net/http"

	"cupel.dev/cupel"
)

// tarType is the media type of an archive.
const tarType = "application/x-tar"

// putFiles unpacks the body below the directory that the query names.
func (s *Server) putFiles(w http.ResponseWriter, r *http.Request) error {
	if err := wantMedia(r, tarType, "application/octet-stream"); err != nil {
		return err
	}
	sb, done, err := s.sandboxes.use(r.PathValue("id"), owner(r))
	if err != nil {
		return err
	}
	defer done()
	dir := r.URL.Query().Get("dir")
	if dir == "" {
		dir = sb.spec.Dir
	}
	if err := sb.handle.Put(r.Context(), dir, r.Body); err != nil {
		return begun{err}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// getFiles streams a file or a tree as a tar. An archive that can't be finished
// ends the connection, so that no caller takes it for whole.
func (s *Server) getFiles(w http.ResponseWriter, r *http.Request) error {
	sb, done, err := s.sandboxes.use(r.PathValue("id"), owner(r))
	if err != nil {
		return err
	}
	defer done()
	path := r.URL.Query().Get("path")
	if path == "" {
		return cupel.Invalidf("query parameter path", "", "name a file or a directory of the sandbox")
	}
	archive, err := sb.handle.Get(r.Context(), path)
	if err != nil {
		return err
	}
	defer archive.Close()
	w.Header().Set("Content-Type", tarType)
	if r.Method == http.MethodHead {
		return nil
	}
	if _, err := io.Copy(w, archive); err != nil {
		s.cfg.Log.Warn("archive was not sent whole", "sandbox", sb.id, "path", shown(path), "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}
