package main

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var testNow = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// golden compares with testdata/golden/NAME.
func golden(t *testing.T, name string, print func(io.Writer) error) {
	t.Helper()
	var got bytes.Buffer
	if err := print(&got); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil { //nolint:gosec // a file of the repository
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

func fixture(t *testing.T, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(data, into); err != nil {
		t.Fatal(err)
	}
}

func TestDescribe(t *testing.T) {
	local := time.Local
	time.Local = time.UTC // decoded times are in the local zone
	defer func() { time.Local = local }()
	for _, name := range []string{"demo", "everything", "pending"} {
		t.Run(name, func(t *testing.T) {
			var fixtures struct {
				Pod    corev1.Pod
				Events []corev1.Event
			}
			fixture(t, "describe-"+name+".yaml", &fixtures)
			golden(t, "describe-"+name+".txt", func(w io.Writer) error {
				return describePod(w, &fixtures.Pod, fixtures.Events, testNow)
			})
		})
	}
}

func TestPs(t *testing.T) {
	for name, o := range map[string]psOptions{
		"ps": {}, "ps-all": {all: true}, "ps-all-no-trunc": {all: true, noTrunc: true}, "ps-quiet": {quiet: true},
	} {
		golden(t, name+".txt", func(w io.Writer) error { return printContainers(w, someContainers(testNow), &o, testNow) })
	}
}

func TestInspect(t *testing.T) {
	golden(t, "inspect.txt", func(w io.Writer) error { return printInspect(w, someContainers(testNow)[1:2], "") })
	golden(t, "inspect-format.txt", func(w io.Writer) error {
		return printInspect(w, someContainers(testNow)[:2], `{{.State.Pid}} {{json .Args}} {{join .Args " "}} {{upper .ContainerName}}`)
	})
}

func TestColumns(t *testing.T) {
	golden(t, "columns.txt", func(w io.Writer) error {
		c := kubectlColumns()
		for _, rows := range [][][]string{
			{{"NAME", "A", "LAST"}, {"demo", "", "x"}, {"größer", "1", "two\nlines"}},
			{{"a-name-that-is-longer", "1", "esc\x1b[31m"}},
			{{"demo", "1", "remembers"}},
		} {
			if err := c.print(w, rows); err != nil {
				return err
			}
		}
		return nil
	})
}
