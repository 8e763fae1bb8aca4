package api

import (
	"net/http"

	corev1 "k8s.io/api/core/v1"

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
	o, err := s.readObject(w, r)
	if err != nil {
		return err
	}
	return s.change(w, r, func(*corev1.Pod) (*corev1.Pod, error) { return o.(*corev1.Pod), nil })
}

// patch takes the part from what a patch makes of the Pod.
func (s *parts) patch(w http.ResponseWriter, r *http.Request) error {
	form, err := bodyType(r, patchTypes...)
	if err != nil {
		return err
	}
	body, err := readBody(r)
	if err != nil {
		return err
	}
	patch := s.patchWith(w, r, body, form)
	return s.change(w, r, func(stored *corev1.Pod) (*corev1.Pod, error) {
		patched, err := patch(stored)
		if err != nil {
			return nil, err
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
