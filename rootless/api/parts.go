package api

import (
	"fmt"
	"mime"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/peapod/peapod/rootless/kube"
)

// parts are the handlers of one part of Pods, at an address of its own: /api/v1/namespaces/NAMESPACE/pods/NAME/ephemeralcontainers.
type parts struct {
	*objects
	part *kube.Part
}

// partRoutes are those of all parts. pods are the handlers of Pods.
func partRoutes(pods *objects) map[string]methods {
	routes := map[string]methods{}
	for _, part := range kube.Parts {
		s := &parts{pods, part}
		routes["/api/v1/namespaces/{namespace}/pods/{name}/"+part.Name] = methods{
			http.MethodGet: pods.get, http.MethodPut: s.put, http.MethodPatch: s.patch,
		}
	}
	return routes
}

// put takes the part from a whole Pod.
func (s *parts) put(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(r)
	if err != nil {
		return err
	}
	o, err := decodeObject(s.kind(), body, r.PathValue("namespace"), r.PathValue("name"))
	if err != nil {
		return err
	}
	return s.change(w, r, func(*corev1.Pod) (*corev1.Pod, error) { return o.(*corev1.Pod), nil })
}

// patch takes the part from what a patch makes of the Pod.
func (s *parts) patch(w http.ResponseWriter, r *http.Request) error {
	strategic, err := patchType(r)
	if err != nil {
		return err
	}
	body, err := readBody(r)
	if err != nil {
		return err
	}
	return s.change(w, r, func(stored *corev1.Pod) (*corev1.Pod, error) {
		patched, err := kube.Patch(stored, body, strategic)
		if err != nil {
			return nil, asClientError(err)
		}
		return patched.(*corev1.Pod), nil
	})
}

func (s *parts) change(w http.ResponseWriter, r *http.Request, change func(*corev1.Pod) (*corev1.Pod, error)) error {
	q := query{values: r.URL.Query()}
	dryRun := len(q.dryRun()) > 0
	if q.err != nil {
		return q.err
	}
	result, err := s.backend.ChangePart(r.Context(), s.part, r.PathValue("namespace"), r.PathValue("name"), change, dryRun)
	if err != nil {
		return err
	}
	return s.answer(w, r, result)
}

// patchType tells a strategic merge patch from a JSON merge patch by its media type.
func patchType(r *http.Request) (strategic bool, err error) {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch types.PatchType(media) {
	case types.StrategicMergePatchType:
		return true, nil
	case types.MergePatchType:
		return false, nil
	}
	return false, unsupportedMedia(r, fmt.Sprintf("%s, %s", types.MergePatchType, types.StrategicMergePatchType))
}
