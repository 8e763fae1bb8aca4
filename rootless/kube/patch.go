package kube

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// Patch returns the JSON of what a patch makes of an object, which is still to be decoded: a JSON patch (RFC 6902), a JSON merge patch (RFC 7386) or, of which the latter is the greater part, Kubernetes'
// strategic one. That merges those lists whose elements have a name of some kind, as the tags of the API's types tell, and understands $patch, $retainKeys,
// $deleteFromPrimitiveList and $setElementOrder; the last is not followed: new elements come after those that are there.
func Patch(o Object, patch []byte, form types.PatchType) ([]byte, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	before, err := readTree(text)
	if err != nil {
		return nil, err
	}
	var merged any
	if form == types.JSONPatchType {
		merged, err = patchTree(before, patch)
	} else {
		merged, err = mergeTree(reflect.TypeOf(o), before, patch, form == types.StrategicMergePatchType)
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(merged)
}

func mergeTree(t reflect.Type, before any, patch []byte, strategic bool) (any, error) {
	change, err := readTree(patch)
	if err != nil {
		return nil, fmt.Errorf("decode the patch: %w", err)
	}
	if _, isObject := change.(map[string]any); !isObject {
		return nil, fmt.Errorf("decode the patch: it is no object")
	}
	return patcher{strategic}.merge(t, before, change)
}

// readTree decodes JSON, numbers as they are written.
func readTree(text []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one value")
	}
	return v, nil
}

type patcher struct{ strategic bool }

const (
	patchDirective   = "$patch"
	retainDirective  = "$retainKeys"
	orderDirective   = "$setElementOrder/"
	removeDirective  = "$deleteFromPrimitiveList/"
	deletesDirective = "delete"
)

// merge returns what a change makes of a value of a type; before is the patcher's own.
func (p patcher) merge(t reflect.Type, before, change any) (any, error) {
	changes, isObject := change.(map[string]any)
	if !isObject {
		return change, nil
	}
	object, _ := before.(map[string]any)
	switch directive := changes[patchDirective]; {
	case !p.strategic || directive == nil:
	case directive == deletesDirective:
		return nil, nil
	case directive == "replace":
		object = nil
	case directive != "merge":
		return nil, fmt.Errorf("%s: %v is none of replace, merge, delete", patchDirective, directive)
	}
	if object == nil {
		object = map[string]any{}
	}
	for _, key := range slices.Sorted(maps.Keys(changes)) {
		if err := p.mergeMember(t, object, key, changes[key]); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	return object, nil
}

func (p patcher) mergeMember(t reflect.Type, object map[string]any, key string, change any) error {
	if p.strategic && strings.HasPrefix(key, "$") {
		return directive(object, key, change)
	}
	if change == nil {
		delete(object, key)
		return nil
	}
	member, merges, mergeKey := memberOf(t, key)
	var merged any
	var err error
	if list, isList := change.([]any); isList && p.strategic && merges {
		before, _ := object[key].([]any)
		if mergeKey == "" {
			merged = union(before, list)
		} else {
			merged, err = p.mergeList(member, mergeKey, before, list)
		}
	} else {
		merged, err = p.merge(member, object[key], change)
	}
	if object[key] = merged; merged == nil {
		delete(object, key)
	}
	return err
}

// directive follows what a strategic patch says of an object besides its members.
func directive(object map[string]any, key string, value any) error {
	switch {
	case key == patchDirective, strings.HasPrefix(key, orderDirective):
		return nil
	case key == retainDirective:
		keys, isList := value.([]any)
		if !isList {
			return fmt.Errorf("it is no list")
		}
		maps.DeleteFunc(object, func(member string, _ any) bool { return !slices.Contains(keys, any(member)) })
		return nil
	}
	if name, ok := strings.CutPrefix(key, removeDirective); ok {
		gone, isList := value.([]any)
		if !isList {
			return fmt.Errorf("it is no list")
		}
		if list, isList := object[name].([]any); isList {
			object[name] = slices.DeleteFunc(list, func(element any) bool {
				return slices.ContainsFunc(gone, func(g any) bool { return sameTree(g, element) })
			})
		}
		return nil
	}
	return fmt.Errorf("unknown directive")
}

// mergeList merges the elements of a list, which are objects that a member tells apart.
func (p patcher) mergeList(t reflect.Type, mergeKey string, before, changes []any) (any, error) {
	if len(changes) > 0 && isDirective(changes[len(changes)-1], "replace") {
		before, changes = nil, changes[:len(changes)-1]
	}
	if t != nil && t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	for _, change := range changes {
		name, ok := nameOf(change, mergeKey)
		if !ok {
			return nil, fmt.Errorf("an element has no %s", mergeKey)
		}
		at := slices.IndexFunc(before, func(element any) bool {
			other, ok := nameOf(element, mergeKey)
			return ok && other == name
		})
		var present any
		if at >= 0 {
			present = before[at]
		}
		merged, err := p.merge(t, present, change)
		switch {
		case err != nil:
			return nil, err
		case at >= 0 && merged == nil:
			before = slices.Delete(before, at, at+1)
		case at >= 0:
			before[at] = merged
		case merged != nil:
			before = append(before, merged)
		}
	}
	return before, nil
}

// union adds elements that have no names, if they are not there.
func union(before, changes []any) []any {
	for _, change := range changes {
		if !slices.ContainsFunc(before, func(b any) bool { return sameTree(b, change) }) {
			before = append(before, change)
		}
	}
	return before
}

// isDirective tells an element of a list that says only what is to become of the list.
func isDirective(element any, value string) bool {
	object, ok := element.(map[string]any)
	return ok && len(object) == 1 && object[patchDirective] == value
}

func nameOf(element any, mergeKey string) (name string, ok bool) {
	object, ok := element.(map[string]any)
	if !ok || object[mergeKey] == nil {
		return "", false
	}
	return fmt.Sprint(object[mergeKey]), true
}

// memberOf is the type of an object's member, whether it is a list to be merged, and what tells its elements apart if that is so. Of a member that no type has
// the type is nil: whoever decodes the whole will find it.
func memberOf(t reflect.Type, key string) (member reflect.Type, merges bool, mergeKey string) {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == nil:
		return nil, false, ""
	case t.Kind() == reflect.Map:
		return t.Elem(), false, ""
	case t.Kind() != reflect.Struct:
		return nil, false, ""
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			if member, merges, mergeKey = memberOf(f.Type, key); member != nil {
				return member, merges, mergeKey
			}
		}
		if name == key {
			return f.Type, strings.Contains(f.Tag.Get("patchStrategy"), "merge"), f.Tag.Get("patchMergeKey")
		}
	}
	return nil, false, ""
}
