package oci

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Tests that need to be root of a user namespace run in a process of their own: inNamespace runs the test binary again for the
// calling test only. What is built is built before, outside.
const (
	insideVariable = "PEAPOD_OCI_TEST_INSIDE"
	peapodVariable = "PEAPOD"
	probeVariable  = "PEAPOD_OCI_PROBE"
)

// require skips a test that lacks something, by name; it fails where PEAPOD_TEST_REQUIRE says that nothing may be missing.
func require(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if os.Getenv("PEAPOD_TEST_REQUIRE") != "" {
		t.Fatalf("%s: %v", what, err)
	}
	t.Skipf("%s: %v", what, err)
}

// build compiles a program of this module once.
func build(dir, name, pkg string) (string, error) {
	out := filepath.Join(dir, name)
	cmd := exec.Command("go", "build", "-buildvcs=false", "-tags", "containers_image_openpgp exclude_graphdriver_btrfs", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", errors.New(string(text) + err.Error())
	}
	return out, nil
}

var programs struct {
	once   sync.Once
	dir    string
	peapod string
	err    error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if programs.dir != "" {
		os.RemoveAll(programs.dir)
	}
	os.Exit(code)
}

// folder is for what all tests share; other users can read it.
func folder() (string, error) {
	programs.once.Do(func() {
		if programs.dir, programs.err = os.MkdirTemp("", "peapod-oci"); programs.err == nil {
			programs.err = os.Chmod(programs.dir, 0o755)
		}
	})
	return programs.dir, programs.err
}

// program is what a variable names, else what is built from a package.
func program(t *testing.T, variable, name, pkg string) string {
	t.Helper()
	if path := os.Getenv(variable); path != "" {
		return path
	}
	dir, err := folder()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	path, err = build(dir, name, pkg)
	require(t, "build "+name, err)
	return path
}

func peapod(t *testing.T) string {
	t.Helper()
	return program(t, peapodVariable, "peapod", "../../cmd/peapod")
}

// inNamespace returns true in the process that is to run the test's body. In the first process it waits for that one and
// takes over its result.
func inNamespace(t *testing.T, env ...string) bool {
	t.Helper()
	if os.Getenv(insideVariable) != "" {
		return true
	}
	unshare := []string{"--user", "--map-root-user", "--map-auto", "--mount"}
	out, err := exec.Command("unshare", append(unshare, "true")...).CombinedOutput()
	if err != nil {
		err = errors.New(strings.TrimSpace(string(out)) + ": " + err.Error())
	}
	require(t, "a user namespace with subordinate ids", err)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("unshare", append(unshare, self, "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1")...)
	c.Env = append(append(os.Environ(), insideVariable+"=yes"), env...)
	out, err = c.CombinedOutput()
	switch text := string(out); {
	case err != nil:
		t.Errorf("in a user namespace: %v\n%s", err, text)
	case strings.Contains(text, "--- SKIP: "+t.Name()+" "):
		t.Skip(text)
	case !strings.Contains(text, "--- PASS: "+t.Name()+" "):
		t.Errorf("the test did not run in the namespace:\n%s", text)
	default:
		t.Log(text)
	}
	return false
}
