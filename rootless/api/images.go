package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Paths below /peapod/v1/images. A transfer (pull, load, push) answers with JSON lines of PullProgress while it goes on; the
// last one has the outcome, and the code is 200 either way, since it is sent before the outcome is known.
//
//	GET  /peapod/v1/images?filter=KEY=VALUE…          a list of Image
//	GET  /peapod/v1/images/inspect?reference=…        an ImageDetails
//	POST /peapod/v1/images/pull                       a PullRequest → lines, the last with Loaded
//	POST /peapod/v1/images/load                       an archive → lines, the last with Loaded
//	GET  /peapod/v1/images/save?reference=…&format=…  the archive; what went wrong on the way is in the trailer SaveError
//	POST /peapod/v1/images/save?…&directory=…         writes a directory instead → {}
//	POST /peapod/v1/images/push                       a PushRequest → lines, the last with Pushed
//	POST /peapod/v1/images/tag                        a TagRequest → {}
//	POST /peapod/v1/images/remove?reference=…&force=  a RemovedImage
//	POST /peapod/v1/images/prune                      a PruneRequest → a PrunedImages

// ImageBackend is the part of the Backend that keeps images. A report may be called from several goroutines.
type ImageBackend interface {
	// Images lists the images in the store that all filters (KEY=VALUE, as docker's) admit.
	Images(filters []string) ([]Image, error)
	// InspectImage tells all about one image.
	InspectImage(ctx context.Context, reference string) (*ImageDetails, error)
	// Pull fetches an image, or all images of a place such as docker-archive:FILE, into the store.
	Pull(ctx context.Context, request PullRequest, report func(PullProgress)) ([]LoadedImage, error)
	// Load brings the images of an archive into the store. With an error it returns those that had arrived before.
	Load(ctx context.Context, archive io.Reader, report func(PullProgress)) ([]LoadedImage, error)
	// Save writes images into w, or with a Directory into that.
	Save(ctx context.Context, request SaveRequest, w io.Writer) error
	// Push copies an image to a registry or a place.
	Push(ctx context.Context, request PushRequest, report func(PullProgress)) (*PushedImage, error)
	// Tag gives an image names, or takes them away.
	Tag(request TagRequest) error
	// RemoveImage takes a name away, and the image with its last one, unless it is used.
	RemoveImage(reference string, force bool) (*RemovedImage, error)
	// PruneImages removes images that nobody uses. With an error it returns those that were removed before.
	PruneImages(ctx context.Context, request PruneRequest) ([]RemovedImage, error)
}

const (
	loadPath = "/peapod/v1/images/load"
	// SaveError is the trailer of an archive that is not whole.
	SaveError = "Peapod-Save-Error"
)

func (s *server) imageRoutes() map[string]methods {
	return map[string]methods{
		"/peapod/v1/images":         {http.MethodGet: s.images},
		"/peapod/v1/images/inspect": {http.MethodGet: s.inspectImage},
		"/peapod/v1/images/pull":    {http.MethodPost: s.pull},
		loadPath:                    {http.MethodPost: s.load},
		"/peapod/v1/images/save":    {http.MethodGet: s.save, http.MethodPost: s.saveDirectory},
		"/peapod/v1/images/push":    {http.MethodPost: s.push},
		"/peapod/v1/images/tag":     {http.MethodPost: s.tag},
		"/peapod/v1/images/remove":  {http.MethodPost: s.removeImage},
		"/peapod/v1/images/prune":   {http.MethodPost: s.pruneImages},
	}
}

func (s *server) images(w http.ResponseWriter, r *http.Request) error {
	list, err := s.backend.Images(r.URL.Query()["filter"])
	if err != nil {
		return err
	}
	return s.sendJSON(w, r, http.StatusOK, notNil(list))
}

func (s *server) inspectImage(w http.ResponseWriter, r *http.Request) error {
	reference, err := reference(r)
	if err != nil {
		return err
	}
	details, err := s.backend.InspectImage(r.Context(), reference)
	if err != nil {
		return err
	}
	return s.sendJSON(w, r, http.StatusOK, details)
}

func reference(r *http.Request) (string, error) {
	if reference := r.URL.Query().Get("reference"); reference != "" {
		return reference, nil
	}
	return "", apierrors.NewBadRequest("query parameter reference: name an image")
}

// decodeBody reads a JSON body strictly enough: what is misspelled is told.
func decodeBody(r *http.Request, into any) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	var tooLarge *http.MaxBytesError
	if err != nil && !errors.As(err, &tooLarge) {
		return apierrors.NewBadRequest("decode body: " + err.Error())
	}
	return err
}

// transfer answers with the lines that work reports, and then with its outcome.
func (s *server) transfer(w http.ResponseWriter, what string, work func(report func(PullProgress)) (PullProgress, error)) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w).Flush
	_ = flush() // a client that is gone ends the context, and that the work
	encoder := json.NewEncoder(w)
	var mu sync.Mutex // over the response: reports come from several goroutines
	report := func(line PullProgress) {
		mu.Lock()
		defer mu.Unlock()
		if encoder.Encode(line) == nil {
			_ = flush()
		}
	}
	outcome, err := work(report)
	if err != nil {
		s.log.Info(what, "err", err)
		outcome.Error = err.Error()
	}
	report(outcome)
}

func (s *server) pull(w http.ResponseWriter, r *http.Request) error {
	request := PullRequest{Reference: r.URL.Query().Get("reference")}
	if request.Reference == "" {
		if err := decodeBody(r, &request); err != nil {
			return err
		}
	}
	if request.Reference == "" {
		return apierrors.NewBadRequest("reference: name the image to pull")
	}
	s.transfer(w, "pull "+request.Reference, func(report func(PullProgress)) (outcome PullProgress, err error) {
		outcome.Loaded, err = s.backend.Pull(r.Context(), request, report)
		return outcome, err
	})
	return nil
}

// load reads the archive while it already answers. After an error it goes on reading until the client has seen that: a
// connection closed under a client that writes might take the answer with it.
func (s *server) load(w http.ResponseWriter, r *http.Request) error {
	if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
		return err
	}
	s.transfer(w, "load", func(report func(PullProgress)) (outcome PullProgress, err error) {
		outcome.Loaded, err = s.backend.Load(r.Context(), r.Body, report)
		return outcome, err
	})
	_, _ = io.Copy(io.Discard, r.Body)
	return nil
}

func saveRequest(r *http.Request) (SaveRequest, error) {
	query := r.URL.Query()
	request := SaveRequest{
		References: query["reference"], Directory: query.Get("directory"), Format: cmp.Or(query.Get("format"), "docker-archive"),
	}
	_, err := reference(r)
	return request, err
}

// save has to know that the images exist before it answers, since after that there is only the trailer.
func (s *server) save(w http.ResponseWriter, r *http.Request) error {
	request, err := saveRequest(r)
	if err != nil {
		return err
	}
	for _, reference := range request.References {
		if _, err := s.backend.InspectImage(r.Context(), reference); err != nil {
			return err
		}
	}
	w.Header().Set("Content-Type", "application/x-tar")
	w.Header().Set("Trailer", SaveError)
	w.WriteHeader(http.StatusOK)
	if err := s.backend.Save(r.Context(), request, w); err != nil {
		s.log.Info("save", "err", err)
		text, _ := json.Marshal(err.Error()) // a header is one line
		w.Header().Set(SaveError, string(text))
	}
	return nil
}

func (s *server) saveDirectory(w http.ResponseWriter, r *http.Request) error {
	request, err := saveRequest(r)
	if err == nil && !filepath.IsAbs(request.Directory) {
		err = apierrors.NewBadRequest(fmt.Sprintf("query parameter directory: %q is not an absolute path", request.Directory))
	}
	if err == nil {
		err = s.backend.Save(r.Context(), request, nil)
	}
	if err != nil {
		return err
	}
	return s.sendJSON(w, r, http.StatusOK, struct{}{})
}

func (s *server) push(w http.ResponseWriter, r *http.Request) error {
	var request PushRequest
	if err := decodeBody(r, &request); err != nil {
		return err
	}
	if request.Reference == "" {
		return apierrors.NewBadRequest("reference: name the image to push")
	}
	s.transfer(w, "push "+request.Reference, func(report func(PullProgress)) (outcome PullProgress, err error) {
		outcome.Pushed, err = s.backend.Push(r.Context(), request, report)
		return outcome, err
	})
	return nil
}

func (s *server) tag(w http.ResponseWriter, r *http.Request) error {
	var request TagRequest
	if err := decodeBody(r, &request); err != nil {
		return err
	}
	if err := s.backend.Tag(request); err != nil {
		return err
	}
	return s.sendJSON(w, r, http.StatusOK, struct{}{})
}

func (s *server) removeImage(w http.ResponseWriter, r *http.Request) error {
	reference, err := reference(r)
	if err != nil {
		return err
	}
	q := query{values: r.URL.Query()}
	force := q.flag("force")
	if q.err != nil {
		return q.err
	}
	removed, err := s.backend.RemoveImage(reference, force)
	if err != nil {
		return err
	}
	return s.sendJSON(w, r, http.StatusOK, removed)
}

func (s *server) pruneImages(w http.ResponseWriter, r *http.Request) error {
	var request PruneRequest
	if err := decodeBody(r, &request); err != nil {
		return err
	}
	removed, err := s.backend.PruneImages(r.Context(), request)
	if err != nil && len(removed) == 0 {
		return err
	}
	pruned := PrunedImages{Removed: notNil(removed)}
	if err != nil {
		pruned.Error = err.Error()
	}
	return s.sendJSON(w, r, http.StatusOK, pruned)
}
