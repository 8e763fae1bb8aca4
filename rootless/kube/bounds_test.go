package kube

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// TestBounds checks that what is too much is refused as such, whichever way it is too much.
func TestBounds(t *testing.T) {
	for name, data := range map[string][]byte{
		"bytes":         bytes.Repeat([]byte(" "), maxBytes+1),
		"documents":     []byte(strings.Repeat("---\na\n", maxDocuments+1)),
		"JSON objects":  []byte(strings.Repeat("{}", maxDocuments+1)),
		"depth":         []byte(strings.Repeat("[", maxDepth+2) + strings.Repeat("]", maxDepth+2)),
		"JSON depth":    []byte(strings.Repeat(`{"a":`, maxDepth+2) + "1" + strings.Repeat("}", maxDepth+2)),
		"YAML depth":    []byte("a:\n" + indented(maxDepth+2)),
		"values":        []byte("[" + strings.Repeat("a,", maxValues+1) + "]"),
		"JSON values":   []byte(`{"a":[0` + strings.Repeat(",0", maxValues) + "]}"),
		"long aliases":  []byte("a: &a " + strings.Repeat("x", 1<<20) + "\nb: [" + strings.Repeat("*a,", 10) + "]\n"),
		"merged values": []byte("a: &a {b: 1, c: 2}\nd:\n" + strings.Repeat("- <<: ["+strings.Repeat("*a,", 1000)+"]\n", 500)),
	} {
		if _, err := Decode("f", data); !errors.Is(err, errTooMuch) {
			t.Errorf("%s: %.200v", name, err)
		}
	}
}

func indented(depth int) string {
	var b strings.Builder
	for i := range depth {
		b.WriteString(strings.Repeat(" ", i+1) + "a:\n")
	}
	return b.String()
}

func TestLineOf(t *testing.T) {
	objects, err := Decode("f", []byte(`apiVersion: v1
kind: Pod
metadata:
  name: x
  labels:
    a: "1"
    a.b/c: "2"
spec:
  containers:
  - name: c
    image: i
  -
    name: d
`))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{
		"": 1, "metadata": 3, "metadata.labels[a.b/c]": 7, "metadata.labels.a.b/c": 7, "metadata.labels.a": 6, "metadata.labels.x": 5,
		"spec.containers[0].image": 11, "spec.containers[1].image": 13, "spec.containers[2].image": 9, "spec.containers[x]": 9, "nonsense[": 1, "[": 1,
	} {
		if got := objects[0].LineOf(path); got != want {
			t.Errorf("LineOf(%q) = %d, want %d", path, got, want)
		}
	}
	if got := (&Entry{Line: 5}).LineOf("spec"); got != 5 {
		t.Errorf("an object that was not decoded: %d", got)
	}
}

func TestManyMistakes(t *testing.T) {
	_, err := Decode("f", []byte("apiVersion: v1\nkind: Pod\nspec: {"+strings.Repeat("x: 1, ", 10*maxErrors)+"}\n"))
	lines := strings.Split(err.Error(), "\n")
	if last := lines[len(lines)-1]; len(lines) != maxErrors+1 || last != "f:3: more than 100 mistakes; these are the first" {
		t.Errorf("%d lines, the last: %s", len(lines), last)
	}
}
