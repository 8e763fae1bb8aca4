package api

import (
	"net/http"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A namespace is no object of its own here: it is there as long as something is in it, and "default" always is.

func (s *server) listNamespaces(w http.ResponseWriter, r *http.Request) error {
	selected, err := parseSelection(r.URL.Query(), namespaceFields(&corev1.Namespace{}))
	if err != nil {
		return err
	}
	want, err := negotiate(r)
	if err != nil {
		return err
	}
	all, meta, err := s.allNamespaces()
	if err != nil {
		return err
	}
	kept := slices.DeleteFunc(all, func(n corev1.Namespace) bool { return !selected.matches(n.Labels, namespaceFields(&n)) })
	if want == asTable {
		return s.sendTable(w, r, namespaceTable(kept, s.now()), meta)
	}
	return s.sendJSON(w, r, http.StatusOK, &corev1.NamespaceList{
		TypeMeta: metav1.TypeMeta{Kind: "NamespaceList", APIVersion: "v1"}, ListMeta: meta, Items: kept,
	})
}

func (s *server) getNamespace(w http.ResponseWriter, r *http.Request) error {
	want, err := negotiate(r)
	if err != nil {
		return err
	}
	all, _, err := s.allNamespaces()
	if err != nil {
		return err
	}
	name := r.PathValue("namespace")
	i := slices.IndexFunc(all, func(n corev1.Namespace) bool { return n.Name == name })
	switch {
	case i < 0:
		return apierrors.NewNotFound(corev1.Resource("namespaces"), name)
	case want == asTable:
		return s.sendTable(w, r, namespaceTable(all[i:i+1], s.now()), metav1.ListMeta{})
	}
	all[i].TypeMeta = metav1.TypeMeta{Kind: "Namespace", APIVersion: "v1"}
	return s.sendJSON(w, r, http.StatusOK, &all[i])
}

// allNamespaces are ordered by name. A namespace is as old as the oldest object in it.
func (s *server) allNamespaces() ([]corev1.Namespace, metav1.ListMeta, error) {
	var meta metav1.ListMeta
	oldest := map[string]metav1.Time{metav1.NamespaceDefault: {}}
	for _, r := range resources {
		list, err := s.backend.ListObjects(r.kind, "")
		if err != nil {
			return nil, meta, err
		}
		for _, o := range list.Items {
			created := o.GetCreationTimestamp()
			if t, ok := oldest[o.GetNamespace()]; !ok || t.IsZero() || created.Before(&t) {
				oldest[o.GetNamespace()] = created
			}
		}
		meta.ResourceVersion = list.ResourceVersion
	}
	all := make([]corev1.Namespace, 0, len(oldest))
	for name, created := range oldest {
		all = append(all, corev1.Namespace{
			ObjectMeta: metav1.ObjectMeta{
				Name: name, CreationTimestamp: created, Labels: map[string]string{corev1.LabelMetadataName: name},
			},
			Status: corev1.NamespaceStatus{Phase: corev1.NamespaceActive},
		})
	}
	slices.SortFunc(all, func(a, b corev1.Namespace) int { return strings.Compare(a.Name, b.Name) })
	return all, meta, nil
}
