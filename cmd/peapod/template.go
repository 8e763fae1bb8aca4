package main

import (
	"encoding/json"
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
