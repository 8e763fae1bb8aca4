package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/template"
)

// parseTemplate reads a Go template with docker's functions: json, join, split, lower, upper.
func parseTemplate(text string) (*template.Template, error) {
	return template.New("").Funcs(template.FuncMap{
		"json": func(v any) (string, error) {
			body, err := json.Marshal(v)
			return string(body), err
		},
		"join":  strings.Join,
		"lower": strings.ToLower,
		"upper": strings.ToUpper,
		"split": strings.Split,
	}).Parse(text)
}

// printInspect writes what was found as a JSON array, or what a template makes of each.
func printInspect[T any](w io.Writer, found []T, format string) error {
	if format == "" || format == "json" {
		return indented(w, found)
	}
	t, err := parseTemplate(format)
	if err != nil {
		return err
	}
	for i := range found {
		if err := t.Execute(w, &found[i]); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	return nil
}
