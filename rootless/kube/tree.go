package kube

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// kind is the kind of a value, named as users see it in errors.
type kind string

const (
	isObject  kind = "object"
	isList    kind = "list"
	isString  kind = "string"
	isNumber  kind = "number"
	isBoolean kind = "boolean"
	isNull    kind = "null"
)

// value is one value of a document, whether it was written in YAML or JSON, with its place.
type value struct {
	kind    kind
	line    int
	text    string   // of a string its content; of a number or boolean its JSON
	written string   // of a number or boolean, as the user wrote it
	members []member // of an object, in the order of the document, with duplicates
	items   []*value // of a list
}

type member struct {
	key   string
	line  int // of the key
	value *value
}

// get returns an object's member; nil if there is none.
func (v *value) get(key string) *value {
	if m := v.member(key); m != nil {
		return m.value
	}
	return nil
}

// member is get with its place. A value that is missing has none.
func (v *value) member(key string) *member {
	if v == nil {
		return nil
	}
	for i := range v.members {
		if v.members[i].key == key {
			return &v.members[i]
		}
	}
	return nil
}

// appendJSON appends the value as JSON.
func (v *value) appendJSON(b []byte) []byte {
	switch v.kind {
	case isObject:
		b = append(b, '{')
		for i, m := range v.members {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, m.key), ':')
			b = m.value.appendJSON(b)
		}
		return append(b, '}')
	case isList:
		b = append(b, '[')
		for i, item := range v.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = item.appendJSON(b)
		}
		return append(b, ']')
	case isString:
		return appendString(b, v.text)
	case isNull:
		return append(b, "null"...)
	}
	return append(b, v.text...)
}

func appendString(b []byte, s string) []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(s) != nil { // a string always encodes
		return append(b, `""`...)
	}
	return append(b, bytes.TrimSuffix(out.Bytes(), []byte("\n"))...)
}

// lineOf returns the line of the value at path (spec.containers[0].image), or of the nearest thing around it that exists.
func (v *value) lineOf(path string) int {
	line := v.line
	for path != "" {
		next, at, rest := v.step(path)
		if next == nil {
			return line
		}
		v, line, path = next, at, rest
	}
	return line
}

// step goes to the member or item that path begins with. A key may contain dots, so the longest one that fits wins.
func (v *value) step(path string) (next *value, line int, rest string) {
	if index, after, ok := strings.Cut(strings.TrimPrefix(path, "["), "]"); ok && path[0] == '[' {
		if i, err := strconv.Atoi(index); err == nil && v.kind == isList && i >= 0 && i < len(v.items) {
			return v.items[i], v.items[i].line, strings.TrimPrefix(after, ".")
		}
		if m := v.member(index); m != nil {
			return m.value, m.line, strings.TrimPrefix(after, ".")
		}
		return nil, 0, ""
	}
	best := -1
	for i, m := range v.members {
		after, ok := strings.CutPrefix(path, m.key)
		if ok && (after == "" || after[0] == '.' || after[0] == '[') && (best < 0 || len(m.key) > len(v.members[best].key)) {
			best = i
		}
	}
	if best < 0 {
		return nil, 0, ""
	}
	m := v.members[best]
	return m.value, m.line, strings.TrimPrefix(path[len(m.key):], ".")
}
