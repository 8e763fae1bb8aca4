package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What tests/run tells the suite.
const (
	stageVariable  = "PEAPOD_E2E_STAGE"  // directory with bin/, debs/ and what the registries wrote
	bareVariable   = "PEAPOD_E2E_BARE"   // set: this user has no subordinate ids
	roleVariable   = "PEAPOD_E2E_ROLE"   // reaper or script: this process is not the suite but one of its helpers
	scriptVariable = "PEAPOD_E2E_SCRIPT" // the file that a helper is for
	engineVariable = "PEAPOD_NETWORK_ENGINE"
)

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "reaper":
		os.Exit(reap())
	case "script":
		os.Exit(runScript(os.Getenv(scriptVariable)))
	}
	os.Exit(m.Run())
}

// TestScripts runs what an ordinary user can do, with subordinate ids or without.
func TestScripts(t *testing.T) {
	requireStage(t)
	runAll(t, "testdata/*.txtar")
}

// TestOtherEngine runs the scripts about the network once more, on the network engine that a kernel with all parts would not choose. The leak check
// sees to it that the node used it.
func TestOtherEngine(t *testing.T) {
	requireStage(t)
	t.Setenv(engineVariable, "gvisor")
	patterns := []string{"testdata/network*.txtar", "testdata/outside*.txtar", "testdata/port-*.txtar"}
	if os.Getenv(bareVariable) != "" {
		patterns = []string{"testdata/network.txtar", "testdata/port-publish.txtar"} // the rest does not depend on ids
	}
	t.Run("gvisor", func(t *testing.T) { runAll(t, patterns...) })
}

// TestTapEngines runs some of them on the engines that are programs with a tap device.
func TestTapEngines(t *testing.T) {
	requireStage(t)
	for _, engine := range tapEngines {
		t.Run(engine, func(t *testing.T) {
			requireTap(t, engine)
			t.Setenv(engineVariable, engine)
			patterns := []string{"testdata/tap/*.txtar"}
			if os.Getenv(bareVariable) == "" {
				patterns = append(patterns, "testdata/network.txtar", "testdata/network-service.txtar", "testdata/port-*.txtar")
			}
			if engine == "slirp4netns" { // an older pasta does not pass the end of one direction on
				patterns = append(patterns, "testdata/outside*.txtar")
			}
			t.Run("scripts", func(t *testing.T) { runAll(t, patterns...) })
		})
	}
}

var tapEngines = []string{"slirp4netns", "pasta"}

// usesTap tells that the node has a device of the engine in the hub, and its program for a child.
func usesTap() bool { return slices.Contains(tapEngines, os.Getenv(engineVariable)) }

// requireTap skips a test where the device cannot be opened, as in many containers, or where the program is not installed; that fails if
// PEAPOD_TEST_REQUIRE says that all are.
func requireTap(t *testing.T, program string) {
	t.Helper()
	device, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	device.Close()
	if _, err := exec.LookPath(program); err != nil && os.Getenv("PEAPOD_TEST_REQUIRE") != "" {
		t.Fatal(err)
	} else if err != nil {
		t.Skip(err)
	}
}

// TestHostileImages runs images that are made to break out.
func TestHostileImages(t *testing.T) {
	requireStage(t)
	runAll(t, "testdata/hostile/*.txtar")
}

// TestBareUser runs what only a user without subordinate ids meets.
func TestBareUser(t *testing.T) {
	requireUser(t, true)
	runAll(t, "testdata/bare/*.txtar")
}

// TestLeakCheck runs scripts that leave something behind. Each must fail, with the words of its first line.
func TestLeakCheck(t *testing.T) {
	requireUser(t, false)
	for _, script := range scripts(t, "testdata/leaks/*.txtar") {
		t.Run(scriptName(script), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(script)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(text), "\n")
			want := strings.TrimPrefix(first, "# leak: ")
			out, err := runReaper(script)
			if err == nil || !strings.Contains(out, want) {
				t.Errorf("%v, want a failure with %q:\n%s", err, want, out)
			}
		})
	}
}

func requireStage(t *testing.T) {
	t.Helper()
	if os.Getenv(stageVariable) == "" {
		t.Skip("run by tests/run")
	}
}

func requireUser(t *testing.T, bare bool) {
	t.Helper()
	requireStage(t)
	switch {
	case bare && os.Getenv(bareVariable) == "":
		t.Skip("needs a user without subordinate ids; tests/run makes one when it is root")
	case !bare && os.Getenv(bareVariable) != "":
		t.Skip("needs a user with subordinate ids")
	}
}

func runAll(t *testing.T, patterns ...string) {
	for _, script := range scripts(t, patterns...) {
		t.Run(scriptName(script), func(t *testing.T) {
			t.Parallel()
			out, err := runReaper(script)
			var exit *exec.ExitError
			switch {
			case errors.As(err, &exit) && exit.ExitCode() == skipCode:
				t.Skip(out)
			case err != nil:
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func scripts(t *testing.T, patterns ...string) (found []string) {
	t.Helper()
	for _, pattern := range patterns {
		some, err := filepath.Glob(pattern)
		if err != nil || len(some) == 0 {
			t.Fatalf("no scripts in %s: %v", pattern, err)
		}
		found = append(found, some...)
	}
	return found
}

func scriptName(file string) string { return strings.TrimSuffix(filepath.Base(file), ".txtar") }

// runReaper runs one script under a reaper of its own and returns what it printed.
func runReaper(script string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	// A script bounds itself, but not the wait for something that holds its output open.
	ctx, cancel := context.WithTimeout(context.Background(), scriptTime+30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, self)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Env = append(os.Environ(), roleVariable+"=reaper", scriptVariable+"="+script)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = dieWithParent()
	err = cmd.Run()
	if err != nil {
		err = fmt.Errorf("%s: %w", script, err)
	}
	return out.String(), err
}
