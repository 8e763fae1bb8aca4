package api

import (
	"encoding/json"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/peapod/peapod/rootless/kube"
)

// wireScale is the JSON of a Scale (autoscaling/v1), the part of a workload that says how many Pods there are to be.
type wireScale struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Replicas *int32 `json:"replicas,omitempty"`
	} `json:"spec"`
	Status struct {
		Replicas int32  `json:"replicas"`
		Selector string `json:"selector,omitempty"`
	} `json:"status"`
}

// scales are the handlers of the scale of one resource.
type scales struct{ *objects }

// scaleRoutes are empty for kinds that have no scale.
func (s *objects) scaleRoutes() map[string]methods {
	if kube.ScaleOf(s.kind().New()) == nil {
		return nil
	}
	h := &scales{s}
	return map[string]methods{
		s.resource.path() + "/namespaces/{namespace}/" + s.kind().Resource + "/{name}/scale": {
			http.MethodGet: h.get, http.MethodPut: h.change, http.MethodPatch: h.change,
		},
	}
}

func (s *scales) get(w http.ResponseWriter, r *http.Request) error {
	o, err := s.backend.GetObject(s.kind(), r.PathValue("namespace"), r.PathValue("name"))
	if err != nil {
		return err
	}
	return s.sendScale(w, r, o)
}

func (s *scales) sendScale(w http.ResponseWriter, r *http.Request, o kube.Object) error {
	scale := kube.ScaleOf(o)
	answer := wireScale{
		TypeMeta: metav1.TypeMeta{Kind: "Scale", APIVersion: "autoscaling/v1"},
		ObjectMeta: metav1.ObjectMeta{
			Name: o.GetName(), Namespace: o.GetNamespace(), UID: o.GetUID(), ResourceVersion: o.GetResourceVersion(), CreationTimestamp: o.GetCreationTimestamp(),
		},
	}
	answer.Spec.Replicas, answer.Status.Replicas, answer.Status.Selector = scale.Want, scale.Have, metav1.FormatLabelSelector(scale.Selector)
	return s.sendJSON(w, r, http.StatusOK, answer)
}

// change is PUT and PATCH: a merge patch of either kind says the same as a Scale, but for what it leaves out.
func (s *scales) change(w http.ResponseWriter, r *http.Request) error {
	known := []string{jsonType}
	if r.Method == http.MethodPatch {
		known = []string{string(types.MergePatchType), string(types.StrategicMergePatchType)}
	}
	if _, err := bodyType(r, known...); err != nil {
		return err
	}
	body, err := readBody(r)
	if err != nil {
		return err
	}
	var wanted wireScale
	if err := json.Unmarshal(body, &wanted); err != nil {
		return apierrors.NewBadRequest("decode Scale: " + err.Error())
	}
	n := wanted.Spec.Replicas
	if n == nil && r.Method == http.MethodPut {
		n = new(int32)
	}
	if n != nil && *n < 0 {
		return apierrors.NewInvalid(metav1.SchemeGroupVersion.WithKind("Scale").GroupKind(), r.PathValue("name"), field.ErrorList{
			field.Invalid(field.NewPath("spec", "replicas"), *n, "must be greater than or equal to 0"),
		})
	}
	result, err := s.changeObject(r, func(stored kube.Object) (kube.Object, error) {
		if n != nil {
			*kube.ScaleOf(stored).Want = *n
		}
		if wanted.ResourceVersion != "" {
			stored.SetResourceVersion(wanted.ResourceVersion)
		}
		if wanted.UID != "" {
			stored.SetUID(wanted.UID)
		}
		return stored, nil
	})
	if err != nil {
		return err
	}
	s.warn(w, result.Warnings)
	return s.sendScale(w, r, result.Object)
}
