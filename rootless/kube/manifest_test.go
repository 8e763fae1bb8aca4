package kube

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the .out files in testdata")

// TestManifests takes each manifest in testdata/manifests through all questions and compares the answers with the .out
// file beside it. Rewrite those with -update and read the difference.
func TestManifests(t *testing.T) {
	files, err := filepath.Glob("testdata/manifests/*.*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no manifests: %v", err)
	}
	for _, file := range files {
		if filepath.Ext(file) == ".out" {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := examine(t, filepath.Base(file), data)
			golden := file + ".out"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func examine(t *testing.T, source string, data []byte) string {
	var out strings.Builder
	entries, err := Decode(source, data)
	if err != nil {
		fmt.Fprintln(&out, err)
	}
	for _, e := range entries {
		if e.Ignored != "" {
			fmt.Fprintf(&out, "%s:%d: ignored: %s\n", e.Source, e.Line, e.Ignored)
			continue
		}
		kind := KindOf(e.Object)
		fmt.Fprintf(&out, "%s:%d: %s %s\n", e.Source, e.Line, strings.ToLower(kind.Name), e.Object.GetName())
		o := e.Object.DeepCopyObject().(Object)
		o.SetNamespace("default")
		kind.Default(o)
		again := o.DeepCopyObject().(Object)
		kind.Default(again)
		if !reflect.DeepEqual(o, again) {
			t.Errorf("Default changes what it has set")
		}
		for _, err := range kind.Validate(o, Features{}) {
			fmt.Fprintf(&out, "  %d: %v\n", e.LineOf(err.Field), err)
		}
		for _, line := range WithoutEffect(o, Features{}) {
			path, _, _ := strings.Cut(line, ":")
			fmt.Fprintf(&out, "  %d: %s\n", e.LineOf(path), line)
		}
		if !json.Valid(e.Raw) {
			t.Errorf("Raw is no JSON: %s", e.Raw)
		}
	}
	return out.String()
}
