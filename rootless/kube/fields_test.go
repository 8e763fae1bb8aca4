package kube

import (
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestEveryFieldHasAClass walks the API's types as deep as the table does. It fails when a newer Kubernetes has a field that nobody
// has classified, and when a row is about nothing.
func TestEveryFieldHasAClass(t *testing.T) {
	visited := map[string]bool{}
	var walk func(t reflect.Type, path string)
	walk = func(typ reflect.Type, path string) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct {
			t.Errorf("%s: class honoured is for objects and lists of them; use whole", path)
			return
		}
		for field := range typ.Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if name == "" {
				if path == "spec.ephemeralContainers" { // the rows of spec.containers count
					continue
				}
				if field.Type != reflect.TypeFor[corev1.Pod]().Field(0).Type { // TypeMeta
					walk(field.Type, path)
				}
				continue
			}
			at := strings.TrimPrefix(path+"."+name, ".")
			rule, ok := table[at]
			if !ok {
				t.Errorf("%s is in no class", at)
				continue
			}
			visited[at] = true
			if rule.class == honoured && at != "spec.initContainers" { // the rows of spec.containers count
				walk(field.Type, at)
			}
			if (rule.class == noEffect || rule.class == never) != (rule.reason != "") {
				t.Errorf("%s: reasons are for noEffect and never, and needed there", at)
			}
		}
	}
	walk(reflect.TypeFor[corev1.Pod](), "")
	for path := range table {
		if !visited[path] {
			t.Errorf("row %s is about nothing", path)
		}
	}
}

// TestEveryRowSpeaks sets each field by itself and looks for the line that its class calls for.
func TestEveryRowSpeaks(t *testing.T) {
	for path, rule := range table {
		if !strings.HasPrefix(path, "spec.") || rule.class == honoured {
			continue
		}
		pod := &corev1.Pod{}
		field := reach(reflect.ValueOf(pod).Elem(), strings.Split(path, "."))
		fill(field, true)
		if path == "spec.hostUsers" {
			*pod.Spec.HostUsers = false
		}
		features := Features{IDs: rule.class == whole} // of files in a row some may have users
		errs, lines := unsupported(findings(pod, features)), WithoutEffect(pod, features)
		wantError, wantLine := rule.class == never, rule.class == noEffect
		if (len(errs) > 0) != wantError || (len(lines) > 0) != wantLine {
			t.Errorf("%s, set to %+v: errors %v, lines %v", path, field, errs, lines)
		}
	}
}

// reach returns the field at path, with everything on the way made.
func reach(v reflect.Value, path []string) reflect.Value {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		return reach(v.Elem(), path)
	case reflect.Slice:
		if len(path) > 0 {
			if v.Len() == 0 {
				v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			}
			return reach(v.Index(0), path)
		}
	}
	if len(path) == 0 {
		return v
	}
	for i := range v.NumField() {
		field := v.Field(i)
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if name == "" && v.Type().Field(i).Anonymous && hasField(field.Type(), path[0]) {
			return reach(field, path)
		}
		if name == path[0] {
			if len(path) == 1 {
				return field
			}
			return reach(field, path[1:])
		}
	}
	panic("no field " + path[0])
}

func hasField(t reflect.Type, name string) bool {
	for field := range t.Fields() {
		if own, _, _ := strings.Cut(field.Tag.Get("json"), ","); own == name {
			return true
		}
	}
	return false
}

// fill gives v a value that nobody would take for a default.
func fill(v reflect.Value, deep bool) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), deep)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem())
	case reflect.String:
		v.SetString(string(corev1.SeccompProfileTypeLocalhost))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Struct:
		for i := range v.NumField() {
			if deep && v.Field(i).CanSet() {
				fill(v.Field(i), false)
			}
		}
	}
}

func TestFeatures(t *testing.T) {
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Resources: limits("cpu", "1")}}}}
	if lines := WithoutEffect(pod, Features{}); len(lines) != 1 || !strings.HasPrefix(lines[0], "spec.containers[0].resources: has no effect") {
		t.Errorf("without cgroups: %q", lines)
	}
	if lines := WithoutEffect(pod, Features{Cgroups: true}); len(lines) != 0 {
		t.Errorf("with cgroups: %q", lines)
	}
}
