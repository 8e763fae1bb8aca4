package kube

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFieldsAreTestedEndToEnd holds the table of fields beside the list of the scripts that check each one's effect: every field of a Pod's spec
// that is honoured has a line, and every script of a line uses the field.
func TestFieldsAreTestedEndToEnd(t *testing.T) {
	const folder = "../../tests/e2e"
	text, err := os.ReadFile(filepath.Join(folder, "fields.txt"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		field := words[0]
		if row, ok := table[field]; !ok || row.class != whole && row.class != honoured {
			t.Errorf("fields.txt: %s: is no field that is honoured", field)
		}
		if listed[field] || len(words) == 1 {
			t.Errorf("fields.txt: %s: want one line with scripts", field)
		}
		listed[field] = true
		for _, name := range words[1:] {
			script, err := os.ReadFile(filepath.Join(folder, "testdata", name+".txtar"))
			if err != nil {
				t.Errorf("fields.txt: %s: %v", field, err)
			} else if last := field[strings.LastIndexByte(field, '.')+1:]; !strings.Contains(string(script), last) {
				t.Errorf("fields.txt: %s: script %s does not use it", field, name)
			}
		}
	}
	for _, field := range slices.Sorted(maps.Keys(table)) {
		if strings.HasPrefix(field, "spec.") && table[field].class == whole && !listed[field] {
			t.Errorf("fields.txt: no script for %s", field)
		}
	}
}
