package api

import (
	"net/http"

	"k8s.io/apimachinery/pkg/types"

	"github.com/peapod/peapod/rootless/kube"
)

// An object that is there is changed by PUT, whose body is what it is to be, or by PATCH, whose body is what is to become of it. Either may name the
// resourceVersion that it was made for: if the object has another by now, that is a conflict, and nothing happens.

// replace is PUT.
func (s *objects) replace(w http.ResponseWriter, r *http.Request) error {
	o, err := s.readObject(w, r)
	if err != nil {
		return err
	}
	return s.change(w, r, func(kube.Object) (kube.Object, error) { return o, nil })
}

// change answers with what a change makes of the object.
func (s *objects) change(w http.ResponseWriter, r *http.Request, change func(stored kube.Object) (kube.Object, error)) error {
	result, err := s.changeObject(r, change)
	if err != nil {
		return err
	}
	return s.answer(w, r, result)
}

func (s *objects) changeObject(r *http.Request, change func(stored kube.Object) (kube.Object, error)) (*ApplyResult, error) {
	q := query{values: r.URL.Query()}
	options := ApplyOptions{FieldManager: q.text("fieldManager"), DryRun: len(q.dryRun()) > 0}
	if q.err != nil {
		return nil, q.err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.backend.ChangeObject(r.Context(), s.kind(), r.PathValue("namespace"), r.PathValue("name"), change, options)
}

// migrator is the field manager by whose name kubectl changes nothing but its own note in an object, when it goes over from its own apply to the server's.
const migrator = "kubectl-last-applied"

// patch is PATCH: in the form of a server-side apply its body is the whole wanted object, as YAML or JSON, else what kube.Patch knows.
func (s *objects) patch(w http.ResponseWriter, r *http.Request) error {
	form, err := bodyType(r, append([]string{string(types.ApplyPatchType)}, patchTypes...)...)
	if err != nil {
		return err
	}
	read := readBody
	switch {
	case form != string(types.ApplyPatchType):
	case r.URL.Query().Get("fieldManager") == migrator:
		read, form = readYAML, string(types.MergePatchType)
	default:
		return s.serverSideApply(w, r)
	}
	body, err := read(r)
	if err != nil {
		return err
	}
	return s.change(w, r, s.patchWith(w, r, body, form))
}

// patchTypes are the media types of patches but server-side applies.
var patchTypes = []string{string(types.JSONPatchType), string(types.MergePatchType), string(types.StrategicMergePatchType)}

// patchWith is the change that a patch makes.
func (s *objects) patchWith(w http.ResponseWriter, r *http.Request, body []byte, form string) func(kube.Object) (kube.Object, error) {
	return func(stored kube.Object) (kube.Object, error) {
		text, err := kube.Patch(stored, body, types.PatchType(form))
		if err != nil {
			return nil, asClientError(err)
		}
		patched, err := s.decode(w, r, text)
		if err != nil {
			return nil, asClientError(err)
		}
		return patched, place(patched, stored.GetNamespace(), stored.GetName())
	}
}
