package api_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/peapod/peapod/rootless/api"
)

type openAPISchema struct {
	Type, Format string
	Reference    string `json:"$ref"`
	Properties   map[string]*openAPISchema
	Items        *openAPISchema
	Additional   *openAPISchema `json:"additionalProperties"`
	Required     []string
	Strategy     string `json:"x-kubernetes-patch-strategy"`
	MergeKey     string `json:"x-kubernetes-patch-merge-key"`
}

// TestOpenAPI reads the documents as kubectl does: the root's addresses lead to documents in which every reference leads somewhere.
func TestOpenAPI(t *testing.T) {
	h := api.New(withPods(), quiet())
	get := func(path string, into any) {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil || w.Code != 200 {
			t.Fatalf("%s: %d %v", path, w.Code, err)
		}
	}
	var root struct {
		Paths map[string]struct{ ServerRelativeURL string }
	}
	get("/openapi/v3", &root)
	seen := 0
	for name, document := range root.Paths {
		var d struct {
			Paths      map[string]map[string]any
			Components struct{ Schemas map[string]*openAPISchema }
		}
		get(document.ServerRelativeURL, &d)
		for _, s := range d.Components.Schemas {
			s.each(func(part *openAPISchema) {
				seen++
				if to := strings.TrimPrefix(part.Reference, "#/components/schemas/"); to != "" && d.Components.Schemas[to] == nil {
					t.Errorf("%s: %s leads nowhere", name, part.Reference)
				}
			})
		}
		if name != "api/v1" {
			continue
		}
		pod := d.Components.Schemas["io.k8s.api.core.v1.Pod"].Properties
		spec := d.Components.Schemas["io.k8s.api.core.v1.PodSpec"]
		containers := spec.Properties["containers"]
		if pod["metadata"] == nil || pod["name"] != nil || pod["kind"].Type != "string" || containers.MergeKey != "name" || containers.Strategy != "merge" ||
			containers.Items.Reference != "#/components/schemas/io.k8s.api.core.v1.Container" || strings.Join(spec.Required, " ") != "containers" {
			t.Errorf("Pod %+v, containers %+v, required %q", pod, containers, spec.Required)
		}
		// A struct that is embedded without a name, and types that are not written as Go has them.
		if d.Components.Schemas["io.k8s.api.core.v1.Volume"].Properties["emptyDir"] == nil {
			t.Error("an embedded struct is missing")
		}
		port := d.Components.Schemas["io.k8s.api.core.v1.ServicePort"].Properties["targetPort"]
		limits := d.Components.Schemas["io.k8s.api.core.v1.ResourceRequirements"].Properties["limits"]
		if port.Format != "int-or-string" || limits.Additional == nil || limits.Additional.Type != "string" {
			t.Errorf("targetPort %+v, limits %+v", port, limits)
		}
		patch, _ := json.Marshal(d.Paths["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"])
		for _, want := range []string{`{"in":"query","name":"fieldValidation"`, `"application/strategic-merge-patch+json"`, `{"group":"","kind":"Pod","version":"v1"}`} {
			if !strings.Contains(string(patch), want) {
				t.Errorf("PATCH of Pods %s lacks %s", patch, want)
			}
		}
	}
	if seen < 1000 || len(root.Paths) < 3 {
		t.Errorf("%d documents with %d schemas", len(root.Paths), seen)
	}
}

func (s *openAPISchema) each(f func(*openAPISchema)) {
	if s == nil {
		return
	}
	f(s)
	s.Items.each(f)
	s.Additional.each(f)
	for _, p := range s.Properties {
		p.each(f)
	}
}
