package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Tests that need the store run in a process of their own, in a new user namespace and mount namespace: inNamespace runs
// the test binary again for the calling test only. With subordinate ids the whole range is mapped; otherwise one id is.
const (
	insideVariable = "PEAPOD_IMAGE_TEST_INSIDE" // "full" or "single"
	outerVariable  = "PEAPOD_IMAGE_TEST_UID"    // the user's id outside
	helperVariable = "PEAPOD_IMAGE_TEST_HELPER" // VERB REFERENCE, see helper
)

func TestMain(m *testing.M) {
	if Init() {
		return
	}
	if command := os.Getenv(helperVariable); command != "" {
		if err := helper(command); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// helper is another process at the same store, as podman would be.
func helper(command string) error {
	verb, ref, _ := strings.Cut(command, " ")
	s, err := Open(testOptions())
	if err != nil {
		return err
	}
	defer s.Close()
	switch verb {
	case "pull":
		_, err = s.Pull(context.Background(), ref, PullOptions{})
	case "remove":
		_, err = s.Remove(ref, RemoveOptions{})
	default:
		err = errors.New("unknown verb " + verb)
	}
	return err
}

func runHelper(t *testing.T, command string) {
	t.Helper()
	if out, err := helperCommand(command).CombinedOutput(); err != nil {
		t.Fatalf("helper %s: %v\n%s", command, err, out)
	}
}

func testOptions() Options {
	uid, _ := strconv.Atoi(os.Getenv(outerVariable))
	return Options{RootlessUID: uid, RootlessGID: uid, SingleID: os.Getenv(insideVariable) == "single"}
}

// inNamespace returns true in the process that is to run the test's body. In the first process it waits for that one and
// takes over its result.
func inNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideVariable) != "" {
		setUpHome(t)
		return true
	}
	uid := os.Getuid()
	if uid == 0 {
		uid = 1000 // root's own store is elsewhere; the tests are about an ordinary user's
	}
	mode, unshare := "full", []string{"--user", "--map-root-user", "--map-auto", "--mount"}
	if exec.Command("unshare", append(unshare, "true")...).Run() != nil {
		mode, unshare = "single", []string{"--user", "--map-root-user", "--mount"}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("unshare", append(unshare, self, "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1")...)
	c.Env = append(os.Environ(), insideVariable+"="+mode, fmt.Sprint(outerVariable, "=", uid))
	out, err := c.CombinedOutput()
	switch text := string(out); {
	case err != nil:
		t.Errorf("in a user namespace (%s ids): %v\n%s", mode, err, text)
	case strings.Contains(text, "--- SKIP: "+t.Name()+" "):
		t.Skip(text)
	case !strings.Contains(text, "--- PASS: "+t.Name()+" "):
		t.Errorf("the test did not run in the namespace:\n%s", text)
	default:
		t.Logf("%s ids\n%s", mode, text)
	}
	return false
}

// setUpHome gives this process the home directory of a new user, before any library looks for it.
func setUpHome(t *testing.T) {
	t.Helper()
	home := t.TempDir()
	for name, dir := range map[string]string{
		"HOME": "", "XDG_CONFIG_HOME": ".config", "XDG_DATA_HOME": ".local/share", "XDG_CACHE_HOME": ".cache", "XDG_RUNTIME_DIR": "run",
	} {
		dir = filepath.Join(home, dir)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv(name, dir)
	}
	for _, name := range []string{"CONTAINERS_REGISTRIES_CONF", "CONTAINERS_STORAGE_CONF", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "STORAGE_DRIVER"} {
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
	writeConfig(t, "policy.json", `{"default": [{"type": "insecureAcceptAnything"}]}`)
}

// writeConfig writes a file below $XDG_CONFIG_HOME/containers.
func writeConfig(t *testing.T, name, content string) {
	t.Helper()
	file := filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "containers", name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func openStore(t *testing.T) *Store {
	t.Helper()
	s, err := Open(testOptions())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
