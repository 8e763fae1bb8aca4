package unpack

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Tests about owners and whiteouts run in a process of their own in a new user namespace: with all subordinate ids of
// the user ("full") or only one id ("single").
const (
	insideVariable  = "PEAPOD_UNPACK_TEST_INSIDE"
	requireVariable = "PEAPOD_TEST_REQUIRE"
)

var namespaces = map[string][]string{
	"full":   {"--user", "--map-root-user", "--map-auto", "--mount"},
	"single": {"--user", "--map-root-user", "--mount"},
}

// The storage library asks the environment whether it is in a user's namespace, once: then it marks opaque directories
// with user.overlay.opaque.
func init() {
	for key, value := range map[string]string{"USERNS_CONFIGURED": "done", "ROOTLESS_UID": "1000", "ROOTLESS_GID": "1000"} {
		os.Setenv("_CONTAINERS_"+key, value)
	}
	unix.Umask(0o22)
	if r, w, err := os.Pipe(); err == nil { // the first opens Go's own descriptors for polling, which tests should not count
		r.Close()
		w.Close()
	}
}

// inNamespace runs the test's body, once in each kind of namespace. To the first process it returns false.
func inNamespace(t *testing.T, kinds ...string) bool {
	t.Helper()
	if os.Getenv(insideVariable) != "" {
		return true
	}
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) { runInside(t, kind, strings.TrimSuffix(t.Name(), "/"+kind)) })
	}
	return false
}

func runInside(t *testing.T, kind, name string) {
	t.Helper()
	args := namespaces[kind]
	if out, err := exec.Command("unshare", append(args, "true")...).CombinedOutput(); err != nil {
		if os.Getenv(requireVariable) != "" {
			t.Fatalf("unshare for %s ids: %v: %s", kind, err, out)
		}
		t.Skipf("needs a user namespace with %s ids: %v: %s", kind, err, out)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("unshare", append(args, self, "-test.run=^"+name+"$", "-test.v", "-test.count=1")...)
	c.Env = append(os.Environ(), insideVariable+"="+kind)
	out, err := c.CombinedOutput()
	switch text := string(out); {
	case err != nil:
		t.Errorf("in the namespace: %v\n%s", err, text)
	case !strings.Contains(text, "--- PASS: "+name+" "):
		t.Errorf("the test did not run in the namespace:\n%s", text)
	case testing.Verbose():
		t.Log(text)
	}
}

// single says that owners but one have no id here.
func single() bool { return os.Getenv(insideVariable) == "single" }

// openFDs counts this process's descriptors.
func openFDs(t testing.TB) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}
