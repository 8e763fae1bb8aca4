package kube

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	kjson "sigs.k8s.io/json"
)

// Entry is one object of a manifest.
type Entry struct {
	Object Object // nil if it is of a kind that is ignored
	Source string // file name, or "-" for standard input
	Line   int    // where it begins
	Raw    []byte // its JSON, with exactly the fields that the user wrote
	// Ignored names what Kubernetes knows and nothing is done about here: "kind Ingress (networking.k8s.io/v1)".
	Ignored string

	document *value
}

// LineOf returns the line of a field, named as in field.Error, or of the nearest thing around it that the user wrote.
func (e *Entry) LineOf(path string) int {
	if e.document == nil {
		return e.Line
	}
	if rest, ok := strings.CutPrefix(path, "data["); ok && e.Object != nil && KindOf(e.Object) == Secrets {
		// What is wrong with data may have been written as stringData.
		if key, _, _ := strings.Cut(rest, "]"); e.document.get("stringData").member(key) != nil {
			path = "stringData[" + rest
		}
	}
	return e.document.lineOf(path)
}

// Error is a mistake in a manifest. It reads "pod.yaml:7: spec.containers[0].imag: unknown field".
type Error struct {
	Source  string
	Line    int    // 0 if not known
	Path    string // of the field; empty if it is about the document
	Message string

	cause error
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Source != "" {
		b.WriteString(e.Source + ":")
	}
	if e.Line > 0 {
		fmt.Fprintf(&b, "%d:", e.Line)
	}
	if b.Len() > 0 {
		b.WriteString(" ")
	}
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	return b.String() + e.Message
}

func (e *Error) Unwrap() error { return e.cause }

// Decode reads a manifest: YAML or JSON, any number of documents, lists flattened. The error, if any, joins one *Error for each
// mistake, in the order of the file; the objects without a mistake are returned with it. An empty manifest is no error.
func Decode(source string, data []byte) ([]Entry, error) {
	documents, err := read(data)
	d := &decoder{source: source}
	for _, v := range documents {
		d.decode(v, "")
	}
	d.fail(err)
	return d.entries, errors.Join(d.errors...)
}

// read parses data. What starts with a brace is JSON, or else YAML's flow style.
func read(data []byte) ([]*value, error) {
	if len(data) > maxBytes {
		return nil, &Error{Message: fmt.Sprintf("more than %d MB", maxBytes>>20), cause: errTooMuch}
	}
	if looksLikeJSON(data) {
		documents, err := readJSON(data, &bounds{maxBytes, maxValues})
		if err == nil || errors.Is(err, errTooMuch) {
			return documents, err
		}
		if documents, err := readYAML(data, &bounds{maxBytes, maxValues}); err == nil {
			return documents, nil
		}
		return documents, err
	}
	return readYAML(data, &bounds{maxBytes, maxValues})
}

type decoder struct {
	source  string
	entries []Entry
	errors  []error
}

func (d *decoder) fail(err error) {
	if err == nil {
		return
	}
	var e *Error
	if errors.As(err, &e) {
		e.Source = d.source
	}
	d.errors = append(d.errors, err)
}

// decode takes a document, or an item of a list at path.
func (d *decoder) decode(v *value, path string) {
	if v.kind != isObject {
		d.fail(&Error{Line: v.line, Path: path, Message: fmt.Sprintf("expected object, got %s", v.kind)})
		return
	}
	kind, version := d.text(v, path, "kind"), d.text(v, path, "apiVersion")
	known, isList := named(version, kind)
	switch {
	case kind == "" || version == "":
	case version == "v1" && kind == "List" || isList:
		d.decodeList(v, path)
	case known != nil:
		d.decodeObject(v, path, known)
	case ignored(version, kind):
		d.entries = append(d.entries, Entry{Source: d.source, Line: v.line, Ignored: fmt.Sprintf("kind %s (%s)", kind, version), document: v})
	default:
		d.fail(&Error{Line: v.lineOf("kind"), Path: join(path, "kind"), Message: fmt.Sprintf("no matches for kind %q in version %q", kind, version)})
	}
}

// coreKinds are those of the core group that are of no use on one machine.
var coreKinds = []string{
	"Event", "LimitRange", "Node", "PersistentVolume", "PodTemplate", "ResourceQuota",
}

// ignored tells a kind that a cluster may know: one of the core's, or one of another group that is not ours under another version.
func ignored(version, kind string) bool {
	if !strings.Contains(version, "/") {
		return version == "v1" && slices.Contains(coreKinds, kind)
	}
	item := strings.TrimSuffix(kind, "List")
	return !slices.ContainsFunc(Kinds, func(k *Kind) bool { return k.Name == item })
}

// text returns a member that must be a string that is not empty.
func (d *decoder) text(v *value, path, key string) string {
	member := v.get(key)
	switch {
	case member == nil || member.kind == isNull || member.kind == isString && member.text == "":
		d.fail(&Error{Line: v.lineOf(key), Path: join(path, key), Message: "Required value"})
	case member.kind != isString:
		d.fail(&Error{Line: v.lineOf(key), Path: join(path, key), Message: fmt.Sprintf("expected string, got %s", member.kind)})
	default:
		return member.text
	}
	return ""
}

func (d *decoder) decodeList(v *value, path string) {
	items := v.get("items")
	if items == nil || items.kind == isNull {
		return
	}
	at := join(path, "items")
	if items.kind != isList {
		d.fail(&Error{Line: v.lineOf("items"), Path: at, Message: fmt.Sprintf("expected list, got %s", items.kind)})
		return
	}
	for i, item := range items.items {
		d.decode(item, fmt.Sprintf("%s[%d]", at, i))
	}
}

func (d *decoder) decodeObject(v *value, path string, kind *Kind) {
	c := checker{quiet: kind == Secrets}
	c.check(v, reflect.TypeOf(kind.New()), path, v.line)
	for _, err := range c.errors {
		d.fail(err)
	}
	if len(c.errors) > 0 {
		return
	}
	raw := v.appendJSON(nil)
	object, err := kind.Decode(raw)
	if err != nil { // something that the checker does not know of
		d.fail(&Error{Line: v.line, Path: path, Message: err.Error(), cause: err})
		return
	}
	d.entries = append(d.entries, Entry{Object: object, Source: d.source, Line: v.line, Raw: raw, document: v})
}

// Decode decodes the JSON of an object of this kind. Fields that are unknown or given twice are errors, in the API server's words. kind
// and apiVersion may be missing, as they are in a request to an address that tells them.
func (k *Kind) Decode(data []byte) (Object, error) {
	o, unknown, err := k.unmarshal(data)
	switch {
	case err != nil:
		return nil, err
	case len(unknown) > 0:
		return nil, fmt.Errorf("strict decoding error: %s", strings.Join(unknown, ", "))
	}
	version, name := o.GetObjectKind().GroupVersionKind().ToAPIVersionAndKind()
	return k.typed(o, version, name)
}

// DecodeLeniently is Decode for clients that know of fields which are unknown here; it names them.
func (k *Kind) DecodeLeniently(data []byte) (o Object, unknown []string, err error) {
	if o, unknown, err = k.unmarshal(data); err != nil {
		return nil, nil, err
	}
	version, name := o.GetObjectKind().GroupVersionKind().ToAPIVersionAndKind()
	o, err = k.typed(o, version, name)
	return o, unknown, err
}

func (k *Kind) unmarshal(data []byte) (o Object, unknown []string, err error) {
	o = k.New()
	strict, err := kjson.UnmarshalStrict(data, o)
	if err != nil {
		return nil, nil, fmt.Errorf("%[1]s in version %[2]q cannot be handled as a %[1]s: %[3]w", k.Name, k.Version, err)
	}
	for _, err := range strict {
		unknown = append(unknown, err.Error())
	}
	return o, unknown, nil
}

// typed gives a decoded object the kind's name. What it was called must be that, or nothing.
func (k *Kind) typed(o Object, version, name string) (Object, error) {
	if name+version != "" && (name != k.Name || version != k.GroupVersion().String()) {
		return nil, fmt.Errorf("no kind %q is registered for version %q", name, version)
	}
	o.GetObjectKind().SetGroupVersionKind(k.GroupVersion().WithKind(k.Name))
	return o, nil
}
