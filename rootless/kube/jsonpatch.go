package kube

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// operation is one step of a JSON patch (RFC 6902).
type operation struct {
	Op    string          `json:"op"`
	Path  *string         `json:"path"`
	From  *string         `json:"from"`
	Value json.RawMessage `json:"value"`
}

// maxOperations is the API server's bound of a JSON patch.
const maxOperations = 10000

// patchTree returns what a JSON patch makes of a document. The document is the patcher's own.
func patchTree(document any, patch []byte) (any, error) {
	var operations []operation
	if err := json.Unmarshal(patch, &operations); err != nil {
		return nil, fmt.Errorf("decode the patch: %w", err)
	}
	if len(operations) > maxOperations {
		return nil, fmt.Errorf("the allowed maximum operations in a JSON patch is %d, got %d", maxOperations, len(operations))
	}
	left := maxBytes // of what copies make
	for i := range operations {
		var err error
		if document, err = operations[i].apply(document, &left); err != nil {
			return nil, fmt.Errorf("operation %d of the patch: %s: %w", i, operations[i].Op, err)
		}
	}
	return document, nil
}

func (o *operation) apply(document any, left *int) (any, error) {
	path, err := pointer("path", o.Path)
	if err != nil {
		return nil, err
	}
	var value any
	switch o.Op {
	case "remove":
		return edit(document, path, removed)
	case "add", "replace", "test":
		if len(o.Value) == 0 {
			return nil, fmt.Errorf("there is no value")
		}
		if value, err = readTree(o.Value); err != nil {
			return nil, err
		}
	case "move", "copy":
		from, err := pointer("from", o.From)
		if err != nil {
			return nil, err
		}
		if o.Op == "move" && len(path) > len(from) && slices.Equal(path[:len(from)], from) {
			return nil, fmt.Errorf("from %q into itself", *o.From)
		}
		if value, err = lookUp(document, from); err != nil {
			return nil, err
		}
		if value, err = copyTree(value, left); err != nil {
			return nil, err
		}
		if o.Op == "move" {
			if document, err = edit(document, from, removed); err != nil {
				return nil, err
			}
		}
	default:
		return nil, fmt.Errorf("none of add, remove, replace, move, copy, test")
	}
	switch o.Op {
	case "replace":
		return edit(document, path, func(any, bool) (any, edited) { return value, inPlace })
	case "test":
		present, err := lookUp(document, path)
		if err == nil && !sameTree(present, value) {
			err = fmt.Errorf("%s has another value", *o.Path)
		}
		return document, err
	}
	return edit(document, path, func(any, bool) (any, edited) { return value, inserted })
}

// pointer reads a JSON pointer (RFC 6901).
func pointer(name string, text *string) ([]string, error) {
	switch {
	case text == nil:
		return nil, fmt.Errorf("there is no %s", name)
	case *text == "":
		return nil, nil
	case !strings.HasPrefix(*text, "/"):
		return nil, fmt.Errorf("%s %q does not begin with a slash", name, *text)
	}
	keys := strings.Split((*text)[1:], "/")
	for i := range keys {
		keys[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(keys[i])
	}
	return keys, nil
}

// edited says what becomes of a place in a document.
type edited int

const (
	inPlace  edited = iota // what is there is replaced
	inserted               // in a list, what is there moves on
	taken                  // there is nothing any more
)

func removed(any, bool) (any, edited) { return nil, taken }

// edit changes what is at a path, which there must be, unless something is to be inserted: then that of its parent will do.
func edit(document any, path []string, change func(present any, there bool) (any, edited)) (any, error) {
	if len(path) == 0 {
		value, how := change(document, true)
		if how == taken {
			return nil, fmt.Errorf("the whole document")
		}
		return value, nil
	}
	key := path[0]
	switch parent := document.(type) {
	case map[string]any:
		present, there := parent[key]
		if len(path) > 1 {
			if !there {
				return nil, noPath(key)
			}
			value, err := edit(present, path[1:], change)
			parent[key] = value
			return parent, err
		}
		switch value, how := change(present, there); {
		case how != inserted && !there:
			return nil, noPath(key)
		case how == taken:
			delete(parent, key)
		default:
			parent[key] = value
		}
		return parent, nil
	case []any:
		return editList(parent, path, change)
	}
	return nil, noPath(key)
}

func editList(list []any, path []string, change func(present any, there bool) (any, edited)) (any, error) {
	at, err := index(path[0], len(list))
	if err != nil {
		return nil, err
	}
	if len(path) > 1 {
		if at == len(list) {
			return nil, noPath(path[0])
		}
		value, err := edit(list[at], path[1:], change)
		list[at] = value
		return list, err
	}
	switch value, how := change(nil, at < len(list)); {
	case how == inserted:
		return slices.Insert(list, at, value), nil
	case at == len(list):
		return nil, noPath(path[0])
	case how == taken:
		return slices.Delete(list, at, at+1), nil
	default:
		list[at] = value
	}
	return list, nil
}

// index is a place in a list: up to its length, which is also called "-".
func index(key string, length int) (int, error) {
	if key == "-" {
		return length, nil
	}
	n, err := strconv.ParseUint(key, 10, 31)
	if err != nil || strconv.FormatUint(n, 10) != key || int(n) > length {
		return 0, noPath(key)
	}
	return int(n), nil
}

func noPath(key string) error { return fmt.Errorf("there is no %q", key) }

func lookUp(document any, path []string) (any, error) {
	for _, key := range path {
		switch parent := document.(type) {
		case map[string]any:
			value, there := parent[key]
			if !there {
				return nil, noPath(key)
			}
			document = value
		case []any:
			at, err := index(key, len(parent))
			if err != nil || at == len(parent) {
				return nil, noPath(key)
			}
			document = parent[at]
		default:
			return nil, noPath(key)
		}
	}
	return document, nil
}

// copyTree copies a value. What all copies may have is bounded: a few operations could double a document many times.
func copyTree(value any, left *int) (any, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	if *left -= len(text); *left < 0 {
		return nil, errTooMuch
	}
	return readTree(text)
}

// sameTree compares values; numbers by what they are, not by how they are written.
func sameTree(a, b any) bool {
	numberA, isA := a.(json.Number)
	numberB, isB := b.(json.Number)
	if isA && isB {
		x, errX := numberA.Float64()
		y, errY := numberB.Float64()
		return numberA == numberB || errX == nil && errY == nil && x == y
	}
	listA, isA := a.([]any)
	listB, isB := b.([]any)
	if isA && isB {
		return slices.EqualFunc(listA, listB, sameTree)
	}
	objectA, isA := a.(map[string]any)
	objectB, isB := b.(map[string]any)
	if isA && isB {
		for key, value := range objectA {
			if other, there := objectB[key]; !there || !sameTree(value, other) {
				return false
			}
		}
		return len(objectA) == len(objectB)
	}
	return reflect.DeepEqual(a, b)
}
