package kube

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// checker compares a document with a Go type of the API and notes everything that does not fit, where the
// decoder would stop at the first thing and know no line.
type checker struct {
	quiet  bool // do not repeat what was written: it may be secret
	errors []*Error
}

// maxErrors is how many mistakes of one object are worth telling.
const maxErrors = 100

func (c *checker) fail(path string, line int, format string, args ...any) {
	switch {
	case len(c.errors) == maxErrors:
		format, args, path = "more than %d mistakes; these are the first", []any{maxErrors}, ""
	case len(c.errors) > maxErrors:
		return
	}
	c.errors = append(c.errors, &Error{Line: line, Path: path, Message: fmt.Sprintf(format, args...)})
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

func (c *checker) check(v *value, t reflect.Type, path string, line int) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if v.kind == isNull { // the same as not given
		return
	}
	if reflect.PointerTo(t).Implements(unmarshaler) {
		target := reflect.New(t).Interface().(json.Unmarshaler)
		if err := target.UnmarshalJSON(v.appendJSON(nil)); err != nil {
			c.fail(path, line, "%s", strings.TrimPrefix(err.Error(), "json: "))
		}
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		c.checkStruct(v, t, path, line)
	case reflect.Map:
		c.checkMap(v, t, path, line)
	case reflect.Slice:
		c.checkSlice(v, t, path, line)
	default:
		c.checkScalar(v, t, path, line)
	}
}

// want notes an error unless v is of that kind.
func (c *checker) want(k kind, v *value, path string, line int) bool {
	if v.kind == k {
		return true
	}
	hint := ""
	if k == isString && (v.kind == isNumber || v.kind == isBoolean) {
		hint = fmt.Sprintf(": write %q in quotes", v.written)
		if c.quiet {
			hint = ": write it in quotes"
		}
	}
	c.fail(path, line, "expected %s, got %s%s", k, v.kind, hint)
	return false
}

func (c *checker) checkStruct(v *value, t reflect.Type, path string, line int) {
	if !c.want(isObject, v, path, line) {
		return
	}
	fields := fieldsOf(t)
	seen := map[string]bool{}
	for _, m := range v.members {
		at := join(path, m.key)
		field, known := fields[m.key]
		switch {
		case !known:
			c.fail(at, m.line, "unknown field")
		case seen[m.key]:
			c.fail(at, m.line, "duplicate field")
		default:
			c.check(m.value, field, at, m.line)
		}
		seen[m.key] = true
	}
}

func (c *checker) checkMap(v *value, t reflect.Type, path string, line int) {
	if !c.want(isObject, v, path, line) {
		return
	}
	seen := map[string]bool{}
	for _, m := range v.members {
		at := fmt.Sprintf("%s[%s]", path, m.key)
		if seen[m.key] {
			c.fail(at, m.line, "duplicate field")
		}
		seen[m.key] = true
		c.check(m.value, t.Elem(), at, m.line)
	}
}

func (c *checker) checkSlice(v *value, t reflect.Type, path string, line int) {
	if t.Elem().Kind() == reflect.Uint8 {
		if c.want(isString, v, path, line) {
			if _, err := base64.StdEncoding.DecodeString(v.text); err != nil {
				c.fail(path, line, "%s", err)
			}
		}
		return
	}
	if !c.want(isList, v, path, line) {
		return
	}
	for i, item := range v.items {
		c.check(item, t.Elem(), path+"["+strconv.Itoa(i)+"]", item.line)
	}
}

func (c *checker) checkScalar(v *value, t reflect.Type, path string, line int) {
	switch t.Kind() {
	case reflect.String:
		c.want(isString, v, path, line)
	case reflect.Bool:
		c.want(isBoolean, v, path, line)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if c.want(isNumber, v, path, line) {
			if _, err := strconv.ParseInt(v.text, 10, t.Bits()); err != nil {
				c.fail(path, line, "%s is not a whole number of %d bits", v.text, t.Bits())
			}
		}
	default: // the API's objects have no others
		c.fail(path, line, "cannot be given")
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

var structFields sync.Map // reflect.Type to map[string]reflect.Type

// fieldsOf returns the JSON names of a struct's fields with their types, those of inlined structs included.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	if known, ok := structFields.Load(t); ok {
		return known.(map[string]reflect.Type)
	}
	fields := map[string]reflect.Type{}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported():
		case name == "" && f.Anonymous:
			for name, inlined := range fieldsOf(f.Type) {
				fields[name] = inlined
			}
		case name == "":
			fields[f.Name] = f.Type
		default:
			fields[name] = f.Type
		}
	}
	structFields.Store(t, fields)
	return fields
}
