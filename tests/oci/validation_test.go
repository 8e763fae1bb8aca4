package oci

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

const (
	validationVariable = "PEAPOD_OCI_VALIDATION" // folder with the built programs, else they are built
	validationModule   = "github.com/opencontainers/runtime-tools"
)

// buildValidation builds the programs of the table from the version of their module that go.mod names. They need modules that this one
// does not; without them, and without a network, they cannot be built.
func buildValidation(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", validationModule).Output()
	if err != nil {
		return err
	}
	source := strings.TrimSpace(string(module))
	args := []string{"build", "-buildvcs=false", "-mod=readonly", "-o", dir + "/", "./cmd/runtimetest"}
	for _, v := range validations {
		if v.leftOut == "" {
			args = append(args, "./validation/"+v.name)
		}
	}
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Env = source, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		return errors.New(string(text) + err.Error())
	}
	image := "rootfs-" + runtime.GOARCH + ".tar.gz"
	content, err := os.ReadFile(filepath.Join(source, image))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, image), content, 0o644)
}

var validationFolder = flag.String("validation", "", "only build the validation programs, into this new folder")

// TestBuildValidation is for scripts that run the tests as somebody who cannot build.
func TestBuildValidation(t *testing.T) {
	if *validationFolder == "" {
		t.Skip("no -validation FOLDER is given")
	}
	if err := buildValidation(*validationFolder); err != nil {
		t.Fatal(err)
	}
}

func TestValidation(t *testing.T) {
	if os.Getenv(insideVariable) == "" {
		dir := os.Getenv(validationVariable)
		if dir == "" {
			shared, err := folder()
			if err != nil {
				t.Fatal(err)
			}
			dir = filepath.Join(shared, "validation")
			require(t, "build "+validationModule, buildValidation(dir))
		}
		inNamespace(t, validationVariable+"="+dir, peapodVariable+"="+peapod(t))
		return
	}
	work := t.TempDir()
	script := filepath.Join(work, "runtime")
	text := "#!/bin/sh\nexec '" + os.Getenv(peapodVariable) + "' oci --root '" + filepath.Join(work, "root") + "' \"$@\"\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, v := range validations {
		if v.leftOut != "" {
			continue
		}
		t.Run(v.name, func(t *testing.T) {
			t.Parallel() // they sleep most of the time
			v.run(t, script)
		})
	}
}

// attempts is how often a program may fail: it gives what it starts a fixed time and then looks, which on a busy machine is too early.
const attempts = 3

// run runs one program until it is content.
func (v validation) run(t *testing.T, script string) {
	for attempt := 1; ; attempt++ {
		problems := v.attempt(t, script)
		if len(problems) == 0 {
			return
		}
		if attempt == attempts {
			t.Fatal(strings.Join(problems, "\n"))
		}
		t.Logf("attempt %d: %s", attempt, strings.Join(problems, "\n"))
	}
}

// attempt runs the program once and judges what it prints.
func (v validation) attempt(t *testing.T, script string) (problems []string) {
	temporary := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "./"+v.name)
	cmd.Dir = os.Getenv(validationVariable)
	cmd.Path = filepath.Join(cmd.Dir, v.name)
	cmd.Env = append(os.Environ(), "RUNTIME="+script, "TMPDIR="+temporary)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	said := func(format string, args ...any) {
		problems = append(problems, fmt.Sprintf(format, args...)+"\n"+out.String()+problem.String())
	}
	if err := cmd.Run(); err != nil {
		said("%v", err)
		return problems
	}
	result := parseTAP(out.String())
	if result.passed == 0 && !v.silent {
		said("it has tested nothing:")
	}
	if v.silent && strings.Contains(out.String(), `"error"`) {
		said("not ok:")
	}
	known := maps.Clone(v.known)
	for _, failed := range result.failed {
		if known[failed] == "" {
			said("not ok: %s", failed)
		}
		delete(known, failed)
	}
	for name, why := range known {
		said("it passes %q, which the table takes for impossible: %s", name, why)
	}
	return problems
}

// tap is what a program has printed (testanything.org).
type tap struct {
	passed int
	failed []string // descriptions
}

func parseTAP(text string) (r tap) {
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		line, bad := strings.CutPrefix(s.Text(), "not ")
		rest, ok := strings.CutPrefix(line, "ok ")
		if !ok {
			continue
		}
		_, description, _ := strings.Cut(rest, " ")
		description = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(description), "- "))
		if bad {
			r.failed = append(r.failed, description)
		} else if !strings.Contains(strings.ToLower(rest), "# skip") {
			r.passed++
		}
	}
	return r
}

func TestParseTAP(t *testing.T) {
	r := parseTAP("TAP version 13\nok 1 - a\n  ---\n  {}\n  ...\nnot ok 2 - b c\nok 3 # SKIP d\n1..3\n")
	if r.passed != 1 || len(r.failed) != 1 || r.failed[0] != "b c" {
		t.Errorf("%+v", r)
	}
}

// TestTableIsComplete wants each program of the module in the table.
func TestTableIsComplete(t *testing.T) {
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", validationModule).Output()
	require(t, "go list "+validationModule, err)
	entries, err := os.ReadDir(filepath.Join(strings.TrimSpace(string(module)), "validation"))
	require(t, "read "+validationModule, err)
	listed := map[string]bool{"util": true}
	for _, v := range validations {
		listed[v.name] = true
	}
	for _, e := range entries {
		if e.IsDir() && !listed[e.Name()] {
			t.Errorf("%s is not in the table", e.Name())
		}
		delete(listed, e.Name())
	}
	for name := range listed {
		t.Errorf("%s is no program of %s", name, validationModule)
	}
}
