package api

import "net/http"

// The paths below /peapod/v1 are peapod's own: what a cluster's API does not have. Lists are bare JSON arrays of the types in
// backend.go. Images have a file of their own.

func (s *server) containers(w http.ResponseWriter, r *http.Request) error {
	list, err := s.backend.Containers()
	if err != nil {
		return err
	}
	return s.sendJSON(w, r, http.StatusOK, notNil(list))
}

// notNil makes an empty list [] in JSON, not null.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (s *server) version(w http.ResponseWriter, r *http.Request) error {
	return s.sendJSON(w, r, http.StatusOK, s.backend.Version())
}

// shutdown answers first: the backend may wait for open requests, of which this is one.
func (s *server) shutdown(w http.ResponseWriter, r *http.Request) error {
	err := s.sendJSON(w, r, http.StatusOK, struct{}{})
	_ = http.NewResponseController(w).Flush() // the client may be gone, the wish stays
	go s.backend.Shutdown()
	return err
}
