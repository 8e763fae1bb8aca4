package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"sigs.k8s.io/yaml"
)

// Outputs of whole objects: -o yaml, json, name and go-template. An object is generic JSON with its numbers as written.

type object map[string]any

func decodeObject(data []byte) (object, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var o object
	return o, decoder.Decode(&o)
}

func (o object) at(path ...string) string {
	var v any = map[string]any(o)
	for _, key := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return ""
		}
		v = m[key]
	}
	text, _ := v.(string)
	return text
}

// items are the objects of a list, which the API sends without their kind; of anything else it is the object itself.
func (o object) items() []object {
	list, ok := o["items"].([]any)
	title, isList := strings.CutSuffix(o.at("kind"), "List")
	if !ok || !isList {
		return []object{o}
	}
	items := make([]object, 0, len(list))
	for _, item := range list {
		if m, ok := item.(map[string]any); ok {
			m["kind"], m["apiVersion"] = title, o["apiVersion"]
			items = append(items, m)
		}
	}
	return items
}

// listOf puts objects into the list that kubectl prints.
func listOf(items []object) object {
	return object{"apiVersion": "v1", "kind": "List", "metadata": object{"resourceVersion": ""}, "items": items}
}

// objectPrinter writes one object.
type objectPrinter func(w io.Writer, o object) error

// newObjectPrinter returns the printer for a value of -o, nil if there is none.
func newObjectPrinter(output string) (objectPrinter, error) {
	if text, ok := strings.CutPrefix(output, "go-template="); ok {
		t, err := parseTemplate(text)
		if err != nil {
			return nil, err
		}
		return func(w io.Writer, o object) error { return t.Execute(w, map[string]any(o)) }, nil
	}
	switch output {
	case "json":
		return printJSON, nil
	case "yaml":
		return printYAML, nil
	case "name":
		return printName, nil
	}
	return nil, nil
}

func unknownOutput(output, allowed string) error {
	return fmt.Errorf("unable to match a printer suitable for the output format %q, allowed formats are: %s", output, allowed)
}

func printJSON(w io.Writer, o object) error { return indented(w, o) }

// indented writes JSON as kubectl and docker inspect do.
func indented(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "    ")
	return encoder.Encode(v)
}

func printYAML(w io.Writer, o object) error { return indentedYAML(w, o) }

// indentedYAML writes YAML with the field names of the JSON.
func indentedYAML(w io.Writer, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if body, err = yaml.JSONToYAML(body); err != nil {
		return err
	}
	_, err = w.Write(body)
	return err
}

func printName(w io.Writer, o object) error {
	kind := strings.ToLower(o.at("kind"))
	if group, _, ok := strings.Cut(o.at("apiVersion"), "/"); ok {
		kind += "." + group
	}
	_, err := fmt.Fprintf(w, "%s/%s\n", kind, o.at("metadata", "name"))
	return err
}
