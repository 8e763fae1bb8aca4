package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Media types of objects.
const (
	jsonType     = "application/json"
	yamlType     = "application/yaml"
	protobufType = "application/vnd.kubernetes.protobuf"
)

// sendJSON answers with one JSON value and a line feed.
func (s *server) sendJSON(w http.ResponseWriter, r *http.Request, code int, v any) error {
	body, err := encode(r, v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", jsonType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	if _, err := w.Write(body); err != nil {
		s.log.Debug("answer", "path", r.URL.Path, "err", err)
	}
	return nil
}

// encode indents for a person at a terminal, as the API server does: on ?pretty=1 and for curl.
func encode(r *http.Request, v any) ([]byte, error) {
	pretty, _ := strconv.ParseBool(r.URL.Query().Get("pretty"))
	if pretty || strings.HasPrefix(r.UserAgent(), "curl/") {
		body, err := json.MarshalIndent(v, "", "  ")
		return append(body, '\n'), err
	}
	body, err := json.Marshal(v)
	return append(body, '\n'), err
}

// sendError answers with a metav1.Status. Nobody is told when the client itself has hung up.
func (s *server) sendError(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		return
	}
	status := statusOf(err)
	if status.Code >= http.StatusInternalServerError {
		s.log.Error("request", "method", r.Method, "path", r.URL.Path, "err", err)
	}
	if err := s.sendJSON(w, r, int(status.Code), &status); err != nil {
		s.log.Error("answer", "path", r.URL.Path, "err", err)
	}
}

// statusOf is the Status for an error: its own if it carries one, else 413 for a body over the limit, else 500.
func statusOf(err error) metav1.Status {
	var status metav1.Status
	var own apierrors.APIStatus
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &own):
		status = own.Status()
	case errors.As(err, &tooLarge):
		status = apierrors.NewRequestEntityTooLargeError(fmt.Sprintf("limit is %d", tooLarge.Limit)).ErrStatus
	default:
		status = apierrors.NewInternalError(err).ErrStatus
	}
	if status.Code < 400 { // an error is never sent as a success
		status.Code = http.StatusInternalServerError
	}
	status.Status = metav1.StatusFailure
	status.TypeMeta = statusType
	return status
}

// statusType is what an object begins with that is a Status.
var statusType = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}

// view is the form in which a client wants objects.
type view struct {
	table   bool
	include metav1.IncludeObjectPolicy // in the rows of a table
}

// negotiate takes the first offer of an Accept header (RFC 9110, section 12.5.1; quality values are not looked at, as in the
// API server) that can be served.
func negotiate(r *http.Request) (view, error) {
	accept := strings.Join(r.Header.Values("Accept"), ",")
	if strings.TrimSpace(accept) == "" {
		return view{}, nil
	}
	for offer := range strings.SplitSeq(accept, ",") {
		media, params, err := mime.ParseMediaType(offer)
		if err != nil || (media != jsonType && media != "application/*" && media != "*/*") {
			continue
		}
		switch {
		case params["as"] == "":
			return view{}, nil
		case params["as"] == "Table" && params["g"] == metav1.GroupName && params["v"] == "v1":
			return tableView(r)
		}
	}
	status := metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusNotAcceptable, Reason: metav1.StatusReasonNotAcceptable,
		Message: "only the following media types are accepted: application/json, application/json;as=Table;g=meta.k8s.io;v=v1",
	}
	return view{}, &apierrors.StatusError{ErrStatus: status}
}

func tableView(r *http.Request) (view, error) {
	include := metav1.IncludeObjectPolicy(r.URL.Query().Get("includeObject"))
	switch include {
	case "", metav1.IncludeNone, metav1.IncludeMetadata, metav1.IncludeObject:
		return view{table: true, include: include}, nil
	}
	return view{}, apierrors.NewBadRequest(fmt.Sprintf("unrecognized includeObject value: %q", include))
}

// readBody reads a request's body up to the limit.
func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	if err != nil && !errors.As(err, &tooLarge) {
		return nil, apierrors.NewBadRequest("read body: " + err.Error())
	}
	return body, err
}
