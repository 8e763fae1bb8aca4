package api

import (
	"context"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apinet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/peapod/peapod/rootless/kube"
)

// ObjectBackend is what the handlers of objects need of the node.
type ObjectBackend interface {
	// GetObject returns one object, a Pod with its present status, or a NotFound error.
	GetObject(kind *kube.Kind, namespace, name string) (kube.Object, error)
	// ListObjects returns the objects of a namespace, of all namespaces if it is empty, ordered by namespace and name.
	ListObjects(kind *kube.Kind, namespace string) (*ObjectList, error)
	// WatchObjects delivers every change after resourceVersion (all present objects as ADDED first, if it is "" or "0") until the
	// context ends, when the channel is closed. What is in it is of that kind.
	WatchObjects(ctx context.Context, kind *kube.Kind, namespace, resourceVersion string) (<-chan watch.Event, error)
	// ApplyObject creates the object or brings the stored one to what the manifest says. The result tells which of the two
	// happened, if anything; Warnings name fields that have no effect on this node.
	ApplyObject(ctx context.Context, o kube.Object, options ApplyOptions) (*ApplyResult, error)
	// ChangeObject makes a stored object what change makes of a copy of it, as far as users have a say in it: the rest of metadata and the status are
	// the node's. What comes of change may have the resourceVersion and the uid for which it was made; others than those of the stored object are a conflict.
	ChangeObject(ctx context.Context, kind *kube.Kind, namespace, name string, change func(kube.Object) (kube.Object, error), options ApplyOptions) (*ApplyResult, error)
	// ChangePart gives a part of a stored Pod (kube.Parts) to what change makes of a copy of it; the rest of that is not looked at, but for the
	// resourceVersion: one that is not the stored Pod's is a conflict.
	ChangePart(ctx context.Context, part *kube.Part, namespace, name string, change func(*corev1.Pod) (*corev1.Pod, error), dryRun bool) (*ApplyResult, error)
	// DeleteObject asks for the object's deletion and returns at once; a Pod is gone when a watch says DELETED, anything else then
	// and there.
	DeleteObject(ctx context.Context, kind *kube.Kind, namespace, name string, options metav1.DeleteOptions) (kube.Object, error)
}

// ObjectList is a list as it was at ResourceVersion: from there a watch goes on without a gap.
type ObjectList struct {
	ResourceVersion string
	Items           []kube.Object
}

// wireList is the JSON of a list.
type wireList struct {
	metav1.TypeMeta
	metav1.ListMeta `json:"metadata"`
	Items           []kube.Object `json:"items"`
}

func getPod(b ObjectBackend, namespace, name string) (*corev1.Pod, error) {
	o, err := b.GetObject(kube.Pods, namespace, name)
	if err != nil {
		return nil, err
	}
	return o.(*corev1.Pod), nil
}

// objects are the handlers of one resource.
type objects struct {
	*server
	resource *resource
}

func (s *objects) kind() *kube.Kind { return s.resource.kind }

func (s *objects) routes() map[string]methods {
	all := methods{http.MethodGet: s.listOrWatch, http.MethodPost: s.create}
	one := methods{http.MethodGet: s.get, http.MethodPut: s.replace, http.MethodPatch: s.patch, http.MethodDelete: s.delete}
	path, name := s.resource.path(), s.kind().Resource
	if s.kind().Cluster {
		return map[string]methods{path + "/" + name: all, path + "/" + name + "/{name}": one}
	}
	return map[string]methods{
		path + "/" + name:                                    all,
		path + "/namespaces/{namespace}/" + name:             all,
		path + "/namespaces/{namespace}/" + name + "/{name}": one,
	}
}

func (s *objects) listOrWatch(w http.ResponseWriter, r *http.Request) error {
	q := query{values: r.URL.Query()}
	watching := q.flag("watch")
	if q.err != nil {
		return q.err
	}
	selected, err := parseSelection(q.values, s.resource.fieldsOf(s.kind().New()))
	if err != nil {
		return err
	}
	if watching {
		return s.watch(w, r, selected)
	}
	want, err := negotiate(r)
	if err != nil {
		return err
	}
	list, err := s.backend.ListObjects(s.kind(), r.PathValue("namespace"))
	if err != nil {
		return err
	}
	kept := make([]kube.Object, 0, len(list.Items))
	for _, o := range list.Items {
		if s.resource.matches(selected, o) {
			kept = append(kept, o)
		}
	}
	meta := metav1.ListMeta{ResourceVersion: list.ResourceVersion}
	if want.table {
		return s.sendTable(w, r, s.resource.table(kept, want.include, s.now()), meta)
	}
	kind := metav1.TypeMeta{Kind: s.kind().Name + "List", APIVersion: s.kind().GroupVersion().String()}
	return s.sendJSON(w, r, http.StatusOK, wireList{kind, meta, kept})
}

func (s *objects) get(w http.ResponseWriter, r *http.Request) error {
	want, err := negotiate(r)
	if err != nil {
		return err
	}
	o, err := s.backend.GetObject(s.kind(), r.PathValue("namespace"), r.PathValue("name"))
	if err != nil {
		return err
	}
	if want.table {
		return s.sendTable(w, r, s.resource.table([]kube.Object{o}, want.include, s.now()), metav1.ListMeta{ResourceVersion: o.GetResourceVersion()})
	}
	return s.send(w, r, http.StatusOK, o)
}

func (s *objects) send(w http.ResponseWriter, r *http.Request, code int, o kube.Object) error {
	s.resource.setType(o)
	return s.sendJSON(w, r, code, o)
}

// create is POST: the object must be new.
func (s *objects) create(w http.ResponseWriter, r *http.Request) error {
	q := query{values: r.URL.Query()}
	options := ApplyOptions{FieldManager: q.text("fieldManager"), DryRun: len(q.dryRun()) > 0}
	if q.err != nil {
		return q.err
	}
	o, err := s.readObject(w, r)
	if err != nil {
		return err
	}
	if o.GetName() == "" && o.GetGenerateName() != "" {
		o.SetName(kube.GenerateName(o.GetGenerateName()))
	}
	result, err := s.createObject(r.Context(), o, options)
	if err != nil {
		return err
	}
	return s.answer(w, r, result)
}

// createObject applies an object that must not be there.
func (s *objects) createObject(ctx context.Context, o kube.Object, options ApplyOptions) (*ApplyResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.backend.GetObject(s.kind(), o.GetNamespace(), o.GetName())
	if err == nil {
		return nil, apierrors.NewAlreadyExists(s.kind().GroupResource(), o.GetName())
	}
	if !apierrors.IsNotFound(err) {
		return nil, err
	}
	return s.backend.ApplyObject(ctx, o, options)
}

// serverSideApply is a PATCH whose body is the whole wanted object, as YAML or JSON.
func (s *objects) serverSideApply(w http.ResponseWriter, r *http.Request) error {
	options, err := applyOptions(r.URL.Query())
	if err != nil {
		return err
	}
	body, err := readYAML(r)
	if err != nil {
		return err
	}
	o, err := s.kind().Decode(body)
	if err != nil {
		return asClientError(err)
	}
	if err := place(o, r.PathValue("namespace"), r.PathValue("name")); err != nil {
		return err
	}
	result, err := s.applyObject(r.Context(), o, options)
	if err != nil {
		return err
	}
	return s.answer(w, r, result)
}

func (s *objects) applyObject(ctx context.Context, o kube.Object, options ApplyOptions) (*ApplyResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.backend.ApplyObject(ctx, o, options)
}

// answer sends what came of an apply.
func (s *objects) answer(w http.ResponseWriter, r *http.Request, result *ApplyResult) error {
	s.warn(w, result.Warnings)
	code := http.StatusOK
	if result.Outcome == Created {
		code = http.StatusCreated
	}
	return s.send(w, r, code, result.Object)
}

// warn adds warnings to an answer.
func (s *server) warn(w http.ResponseWriter, warnings []string) {
	for _, text := range warnings {
		// 299 is "miscellaneous persistent warning" (RFC 7234, section 5.5.7); a text that no header can carry is left out.
		if value, err := apinet.NewWarningHeader(299, "-", text); err == nil {
			w.Header().Add("Warning", value)
		} else {
			s.log.Warn("warning header", "text", text, "err", err)
		}
	}
}

// delete answers with the object's last state for every kind; a cluster does so only for what takes time to end.
func (s *objects) delete(w http.ResponseWriter, r *http.Request) error {
	options, err := deleteOptions(r)
	if err != nil {
		return err
	}
	o, err := s.backend.DeleteObject(r.Context(), s.kind(), r.PathValue("namespace"), r.PathValue("name"), *options)
	if err != nil {
		return err
	}
	return s.send(w, r, http.StatusOK, o)
}
