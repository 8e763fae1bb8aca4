package api

import (
	"encoding/json"
	"net/http"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// The paths below /peapod/v1 are peapod's own: what a cluster's API does not have. Lists are bare JSON arrays of the types in
// backend.go.

func (s *server) containers(w http.ResponseWriter, r *http.Request) error {
	list, err := s.backend.Containers()
	if err != nil {
		return err
	}
	return s.sendJSON(w, r, http.StatusOK, notNil(list))
}

func (s *server) images(w http.ResponseWriter, r *http.Request) error {
	list, err := s.backend.Images()
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

// pull answers with JSON lines of PullProgress while it goes on. The last line has Image or Error; the code is 200 either way,
// since it is sent before the outcome is known.
func (s *server) pull(w http.ResponseWriter, r *http.Request) error {
	reference := r.URL.Query().Get("reference")
	if reference == "" {
		return apierrors.NewBadRequest("query parameter reference: name the image to pull")
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w).Flush
	encoder := json.NewEncoder(w)
	var mu sync.Mutex // over the response: reports come from several goroutines
	report := func(line PullProgress) {
		mu.Lock()
		defer mu.Unlock()
		if encoder.Encode(line) == nil {
			_ = flush() // a client that is gone ends the context, and that the pull
		}
	}
	image, err := s.backend.Pull(r.Context(), reference, report)
	if err != nil {
		s.log.Info("pull", "reference", reference, "err", err)
		report(PullProgress{Error: err.Error()})
		return nil
	}
	report(PullProgress{Image: image})
	return nil
}

// shutdown answers first: the backend may wait for open requests, of which this is one.
func (s *server) shutdown(w http.ResponseWriter, r *http.Request) error {
	err := s.sendJSON(w, r, http.StatusOK, struct{}{})
	_ = http.NewResponseController(w).Flush() // the client may be gone, the wish stays
	go s.backend.Shutdown()
	return err
}
