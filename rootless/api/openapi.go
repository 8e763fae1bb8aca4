package api

import (
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// OpenAPI tells clients which fields objects have and what may be done with them: /openapi/v3 is a list of documents, one for each group and version.
// kubectl looks there for whether fields are checked here (fieldValidation), for how lists are merged, and for what `kubectl explain` prints. Documents are made of the Go types when somebody asks, so that nobody
// else pays for them; Go types have no descriptions. /openapi/v2 has no definitions: what kubectl does not find in it, it leaves to the server.

// jsonObject is a JSON object by its members.
type jsonObject = map[string]any

func (s *server) openAPIRoutes() map[string]methods {
	routes := map[string]methods{"/openapi/v3": {http.MethodGet: s.openAPIPaths}, "/openapi/v2": {http.MethodGet: s.openAPIv2}}
	for _, gv := range groupVersions() {
		routes["/openapi/v3/"+groupPath(gv)] = methods{http.MethodGet: func(w http.ResponseWriter, r *http.Request) error {
			return s.sendJSON(w, r, http.StatusOK, s.openAPI(gv))
		}}
	}
	return routes
}

// groupVersions are all there are, in order.
func groupVersions() []schema.GroupVersion {
	all := []schema.GroupVersion{corev1.SchemeGroupVersion}
	for _, name := range groups() {
		all = append(all, schema.GroupVersion{Group: name, Version: "v1"})
	}
	return all
}

// groupPath is where a group is, without the first slash: api/v1 or apis/apps/v1.
func groupPath(gv schema.GroupVersion) string {
	if gv.Group == "" {
		return "api/" + gv.Version
	}
	return "apis/" + gv.String()
}

// openAPIPaths names the documents. Clients keep one as long as its address, with the hash, is the same.
func (s *server) openAPIPaths(w http.ResponseWriter, r *http.Request) error {
	version := s.backend.Version()
	hash := url.Values{"hash": {version.Version + "-" + version.Kubernetes}}.Encode()
	paths := jsonObject{}
	for _, gv := range groupVersions() {
		paths[groupPath(gv)] = jsonObject{"serverRelativeURL": "/openapi/v3/" + groupPath(gv) + "?" + hash}
	}
	return s.sendJSON(w, r, http.StatusOK, jsonObject{"paths": paths})
}

// openAPIv2 is a document without paths and definitions, for clients that ask for it in protobuf (gnostic's openapi.v2.Document: swagger = 1, info = 2
// with title = 1 and version = 2, paths = 8) or JSON.
func (s *server) openAPIv2(w http.ResponseWriter, r *http.Request) error {
	const protobuf = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
	if !strings.Contains(r.Header.Get("Accept"), protobuf) {
		return s.sendJSON(w, r, http.StatusOK, jsonObject{"swagger": "2.0", "info": jsonObject{"title": "peapod", "version": "v1"}, "paths": jsonObject{}})
	}
	w.Header().Set("Content-Type", strings.Replace(protobuf, "@", ".", 1))        // no media type has an @, and clients look
	_, _ = w.Write([]byte("\x0a\x032.0\x12\x0c\x0a\x06peapod\x12\x02v1\x42\x00")) // the client may be gone
	return nil
}

func (s *server) openAPI(gv schema.GroupVersion) jsonObject {
	types := openAPITypes{}
	paths := jsonObject{}
	for _, r := range resources {
		if r.kind.GroupVersion() != gv {
			continue
		}
		gvk := jsonObject{"group": gv.Group, "version": gv.Version, "kind": r.kind.Name}
		name := types.add(reflect.TypeOf(r.kind.New()))
		types[name]["x-kubernetes-group-version-kind"] = []any{gvk}
		for path, verbs := range (&objects{s, r}).routes() {
			paths[path] = operations(verbs, gvk, schemaReference(name))
		}
	}
	if gv == corev1.SchemeGroupVersion {
		gvk := jsonObject{"group": "", "version": "v1", "kind": "Event"}
		name := types.add(reflect.TypeFor[corev1.Event]())
		types[name]["x-kubernetes-group-version-kind"] = []any{gvk}
		paths["/api/v1/namespaces/{namespace}/events"] = operations(methods{http.MethodGet: nil}, gvk, schemaReference(name))
	}
	return jsonObject{
		"openapi": "3.0.0", "info": jsonObject{"title": "peapod", "version": s.backend.Version().Kubernetes},
		"paths": paths, "components": jsonObject{"schemas": types},
	}
}

// operations are what may be done at a path.
func operations(verbs methods, gvk, object jsonObject) jsonObject {
	path := jsonObject{}
	for _, verb := range slices.Sorted(maps.Keys(verbs)) {
		operation := jsonObject{"x-kubernetes-group-version-kind": gvk, "responses": jsonObject{"200": jsonObject{"description": "OK"}}}
		content := jsonObject{}
		switch verb {
		case http.MethodPost, http.MethodPut:
			content[jsonType] = jsonObject{"schema": object}
		case http.MethodPatch:
			for _, patch := range []types.PatchType{types.ApplyPatchType, types.JSONPatchType, types.MergePatchType, types.StrategicMergePatchType} {
				content[string(patch)] = jsonObject{"schema": jsonObject{"type": "object"}}
			}
		}
		if len(content) > 0 {
			operation["requestBody"] = jsonObject{"required": true, "content": content}
			var parameters []any
			for _, name := range []string{"dryRun", "fieldManager", "fieldValidation"} {
				parameters = append(parameters, jsonObject{"name": name, "in": "query", "schema": jsonObject{"type": "string"}})
			}
			operation["parameters"] = parameters
		}
		path[strings.ToLower(verb)] = operation
	}
	return path
}

// openAPITypes are the schemas of structs by name.
type openAPITypes map[string]jsonObject

// add adds a struct with all that are in it, and returns its name: io.k8s.api.core.v1.Pod.
func (all openAPITypes) add(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	path := strings.Replace(t.PkgPath(), "k8s.io/", "io.k8s.", 1)
	name := strings.ReplaceAll(path, "/", ".") + "." + t.Name()
	if all[name] != nil {
		return name
	}
	object := jsonObject{"type": "object"}
	all[name] = object // before its members, which may be of its own type
	properties, required := jsonObject{}, []string{}
	for _, f := range structFields(t) {
		member := all.schema(f.Type)
		for tag, extension := range map[string]string{"patchStrategy": "x-kubernetes-patch-strategy", "patchMergeKey": "x-kubernetes-patch-merge-key"} {
			if value := f.Tag.Get(tag); value != "" {
				member[extension] = value
			}
		}
		key, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		properties[key] = member
		if !strings.Contains(options, "omit") {
			required = append(required, key)
		}
	}
	object["properties"] = properties
	if len(required) > 0 {
		object["required"] = required
	}
	return name
}

// structFields are the fields that JSON has, those of structs that are part of this one included.
func structFields(t reflect.Type) []reflect.StructField {
	var all []reflect.StructField
	for i := range t.NumField() {
		f := t.Field(i)
		switch name, _, _ := strings.Cut(f.Tag.Get("json"), ","); {
		case name == "" && f.Anonymous:
			all = append(all, structFields(f.Type)...)
		case name != "" && name != "-":
			all = append(all, f)
		}
	}
	return all
}

func schemaReference(name string) jsonObject {
	return jsonObject{"$ref": "#/components/schemas/" + name}
}

// schema is what a value of a type looks like.
func (all openAPITypes) schema(t reflect.Type) jsonObject {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	// Types that are not written as Go sees them say how themselves.
	if own, ok := reflect.New(t).Interface().(interface {
		OpenAPISchemaType() []string
		OpenAPISchemaFormat() string
	}); ok {
		return format(own.OpenAPISchemaType()[0], own.OpenAPISchemaFormat())
	}
	switch t.Kind() {
	case reflect.Struct:
		return schemaReference(all.add(t))
	case reflect.Map:
		return jsonObject{"type": "object", "additionalProperties": all.schema(t.Elem())}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return format("string", "byte")
		}
		return jsonObject{"type": "array", "items": all.schema(t.Elem())}
	case reflect.Bool:
		return format("boolean", "")
	case reflect.Int32:
		return format("integer", "int32")
	case reflect.Int, reflect.Int64:
		return format("integer", "int64")
	}
	return format("string", "")
}

func format(kind, format string) jsonObject {
	if format == "" {
		return jsonObject{"type": kind}
	}
	return jsonObject{"type": kind, "format": format}
}
