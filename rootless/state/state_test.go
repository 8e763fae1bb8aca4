package state

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func open(t *testing.T, path string) *DB {
	t.Helper()
	db, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func newPod(name, uid string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(uid)}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// only returns the one Pod in the database.
func only(t *testing.T, db *DB) *corev1.Pod {
	t.Helper()
	pods, err := db.Objects("pods")
	must(t, err)
	if len(pods) != 1 {
		t.Fatalf("%d pods", len(pods))
	}
	return pods[0].(*corev1.Pod)
}

// crash copies the file as it is on disk and opens the copy, as after a power failure.
func crash(t *testing.T, path string) *DB {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	other := filepath.Join(t.TempDir(), "crashed.db")
	must(t, os.WriteFile(other, data, 0o600))
	db := open(t, other)
	t.Cleanup(func() { db.Close() })
	return db
}

func TestObjects(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dir", "state.db")
	db := open(t, path)
	defer db.Close()
	pod := newPod("a", "1")
	must(t, db.Create(pod))
	if pod.ResourceVersion == "" {
		t.Error("no resourceVersion")
	}
	if err := db.Create(newPod("a", "2")); !apierrors.IsAlreadyExists(err) {
		t.Errorf("second Create: %v", err)
	}

	pod.Labels = map[string]string{"x": "y"}
	stale := pod.DeepCopy()
	must(t, db.Update(pod))
	if err := db.Update(stale); !apierrors.IsConflict(err) || stale.ResourceVersion == pod.ResourceVersion {
		t.Errorf("stale Update: %v", err)
	}
	stale.ResourceVersion = "" // the last writer wins
	must(t, db.Update(stale))
	if err := db.Update(newPod("b", "3")); !apierrors.IsNotFound(err) {
		t.Errorf("Update of nothing: %v", err)
	}
	if got := only(t, crash(t, path)); got.Labels["x"] != "y" || got.ResourceVersion != stale.ResourceVersion {
		t.Errorf("after a crash: %v", got)
	}

	revision, err := db.Delete("pods", "default", "a")
	if err != nil || !newer(revision, stale.ResourceVersion) || revision != db.Revision() {
		t.Errorf("Delete: %v, %v", revision, err)
	}
	if _, err := db.Delete("pods", "default", "a"); !apierrors.IsNotFound(err) {
		t.Errorf("second Delete: %v", err)
	}
	if pods, err := crash(t, path).Objects("pods"); err != nil || len(pods) != 0 {
		t.Errorf("after a crash: %v, %v", pods, err)
	}
}

func TestStatus(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := open(t, path)
	pod := newPod("a", "1")
	must(t, db.Create(pod))
	created := pod.ResourceVersion
	for _, phase := range []corev1.PodPhase{corev1.PodPending, corev1.PodRunning} {
		pod.Status.Phase = phase
		must(t, db.SaveStatus(pod))
	}
	if got := only(t, db); got.Status.Phase != corev1.PodRunning || got.ResourceVersion != pod.ResourceVersion {
		t.Errorf("before it is written: %v", got)
	}
	stale := pod.DeepCopy()
	stale.ResourceVersion = created
	if err := db.Update(stale); !apierrors.IsConflict(err) {
		t.Errorf("Update of an object whose status is newer: %v", err)
	}
	must(t, db.Close())

	db = open(t, path)
	defer db.Close()
	if got := only(t, db); got.Status.Phase != corev1.PodRunning || got.ResourceVersion != pod.ResourceVersion {
		t.Errorf("after Close: %v", got)
	}
	pod.Status.Phase = corev1.PodFailed
	must(t, db.Update(pod))
	if got := only(t, crash(t, path)); got.Status.Phase != corev1.PodFailed {
		t.Errorf("an Update carries its status: %v", got)
	}
}

// TestLateStatus: a status that comes after the Pod was deleted, or replaced by another of its name, goes nowhere.
func TestLateStatus(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := open(t, path)
	old, replacement := newPod("a", "1"), newPod("a", "2")
	must(t, db.Create(old))
	_, err := db.Delete("pods", "default", "a")
	must(t, err)
	old.Status.Phase = corev1.PodFailed
	must(t, db.SaveStatus(old))
	if pods, err := db.Objects("pods"); err != nil || len(pods) != 0 {
		t.Errorf("a status made a Pod: %v, %v", pods, err)
	}
	must(t, db.Create(replacement))
	must(t, db.SaveStatus(old))
	replacement.Labels = map[string]string{"x": "y"}
	must(t, db.Update(replacement))
	must(t, db.SaveStatus(old))
	must(t, db.Close())
	db = open(t, path)
	defer db.Close()
	if got := only(t, db); got.Status.Phase != "" || got.UID != "2" {
		t.Errorf("the old Pod's status: %v", got)
	}
}

func TestStatusesAreWrittenInTheBackground(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := open(t, path)
	defer db.Close()
	pod := newPod("a", "1")
	must(t, db.Create(pod))
	pod.Status.Phase = corev1.PodRunning
	must(t, db.SaveStatus(pod))
	for { // the test's own deadline ends this
		db.mu.Lock()
		pending := len(db.pending)
		db.mu.Unlock()
		if pending == 0 {
			break
		}
	}
	if got := only(t, crash(t, path)); got.Status.Phase != corev1.PodRunning {
		t.Errorf("after a crash: %v", got)
	}
}

// TestRevisions: no revision is given out twice, whatever way the last node ended.
func TestRevisions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := open(t, path)
	pod := newPod("a", "1")
	must(t, db.Create(pod))
	for range 3 * revisionStep {
		before := pod.ResourceVersion
		must(t, db.SaveStatus(pod))
		if !newer(pod.ResourceVersion, before) {
			t.Fatalf("%s after %s", pod.ResourceVersion, before)
		}
	}
	after := crash(t, path)
	if !newer(strconv.FormatUint(after.revision+1, 10), pod.ResourceVersion) {
		t.Errorf("after a crash the next revision is %d, %s was given out", after.revision+1, pod.ResourceVersion)
	}
	must(t, db.Close())
	db = open(t, path)
	defer db.Close()
	other := newPod("b", "2")
	must(t, db.Create(other))
	if !newer(other.ResourceVersion, pod.ResourceVersion) {
		t.Errorf("%s after %s", other.ResourceVersion, pod.ResourceVersion)
	}
}

func TestConcurrency(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "state.db"))
	defer db.Close()
	var seen sync.Map
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			pod := newPod(fmt.Sprint("p", i), fmt.Sprint(i))
			if err := db.Create(pod); err != nil {
				t.Error(err)
			}
			for range 20 {
				if _, twice := seen.LoadOrStore(pod.ResourceVersion, true); twice {
					t.Errorf("revision %s was given out twice", pod.ResourceVersion)
				}
				if err := db.SaveStatus(pod); err != nil {
					t.Error(err)
				}
			}
			if err := db.Update(pod); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if pods, err := db.Objects("pods"); err != nil || len(pods) != 8 {
		t.Errorf("%d pods, %v", len(pods), err)
	}
}

func TestLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := open(t, path)
	defer db.Close()
	if _, err := Open(path); !errors.Is(err, ErrLocked) {
		t.Errorf("second Open: %v", err)
	}
}

// TestDamaged breaks the file in many ways. Open and Pods may succeed, but they end, with an error that says what is wrong.
func TestDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := open(t, path)
	for i := range 50 {
		must(t, db.Create(newPod(fmt.Sprint("p", i), "1")))
	}
	must(t, db.Close())
	whole, err := os.ReadFile(path)
	must(t, err)

	check := func(name string, data []byte, wantError bool) {
		path := filepath.Join(t.TempDir(), "state.db") // a file that broke Open may stay locked
		must(t, os.WriteFile(path, data, 0o600))
		db, err := Open(path)
		if err == nil {
			_, err = db.Objects("pods")
			if err == nil {
				_ = db.Close() // nothing is pending
			}
		}
		if wantError && err == nil {
			t.Errorf("%s: no error", name)
		}
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	check("not a database", []byte("apiVersion: v1\n"), true)
	check("zeros", make([]byte, len(whole)), true)
	for _, size := range []int{1, 100, 4096, 8192, 3 * 4096, 4 * 4096} {
		check(fmt.Sprint("cut to ", size), whole[:size], true)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 12 {
		broken := append([]byte(nil), whole...)
		for range 200 {
			broken[4096*2+random.IntN(len(broken)-4096*2)] = byte(random.Uint32())
		}
		check(fmt.Sprint("scribble ", i), broken, false)
	}
}

func TestOpenForbidden(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	if _, err := Open(filepath.Join(file, "state.db")); err == nil || errors.Is(err, ErrDamaged) {
		t.Errorf("below a file: %v", err)
	}
	dir := t.TempDir()
	if _, err := Open(dir); err == nil || errors.Is(err, ErrDamaged) {
		t.Errorf("a directory: %v", err)
	}
}

func TestFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "facts.json")
	var got map[string]int
	if err := ReadFile(path, &got); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	must(t, WriteFile(path, map[string]int{"a": 1}))
	must(t, WriteFile(path, map[string]int{"b": 2}))
	must(t, ReadFile(path, &got))
	if len(got) != 1 || got["b"] != 2 {
		t.Errorf("got %v", got)
	}
	if err := WriteFile(path, func() {}); err == nil {
		t.Error("a function was written")
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	if info, err := os.Stat(path); len(entries) != 1 || err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("left behind: %v; %v %v", entries, info.Mode(), err)
	}
	must(t, os.WriteFile(path, []byte("{"), 0o600))
	if err := ReadFile(path, &got); err == nil {
		t.Error("half a file was read")
	}
}

func TestDefaultPaths(t *testing.T) {
	fallback := "/tmp/peapod-4294967294" // nobody has this id
	for name, test := range map[string]struct {
		env  map[string]string
		home string
		want Paths
	}{
		"home": {nil, "/home/u", Paths{"/home/u/.local/share/peapod", "/home/u/.local/state/peapod", fallback}},
		"all": {map[string]string{"XDG_DATA_HOME": "/d", "XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": "/r"}, "",
			Paths{"/d/peapod", "/s/peapod", "/r/peapod"}},
		"relative": {map[string]string{"XDG_DATA_HOME": "d", "XDG_STATE_HOME": "./s", "XDG_RUNTIME_DIR": "r"}, "/h",
			Paths{"/h/.local/share/peapod", "/h/.local/state/peapod", fallback}},
	} {
		got, err := DefaultPaths(func(key string) string { return test.env[key] }, 4294967294, test.home)
		if err != nil || got != test.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := DefaultPaths(func(string) string { return "" }, 1, ""); err == nil {
		t.Error("no home is no error")
	}
	p := Paths{"/d", "/s", "/r"}
	for got, want := range map[string]string{
		p.ContainerLog("ns", "demo", "uid", "c", 2): "/s/log/pods/ns_demo_uid/c/2.log",
		p.ContainerUpper("id"):                      "/d/containers/id/upper",
		p.PodFacts("uid"):                           "/r/pods/uid/pod.json",
		p.NodeSocket():                              "/r/node.sock",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestSecretsAreKept apart from Pods, in a file that nobody else can read.
func TestSecretsAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := open(t, path)
	defer db.Close()
	must(t, db.Create(newPod("a", "1")))
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "a"}, Data: map[string][]byte{"k": {0, 255}},
	}
	must(t, db.Create(secret))
	if err := db.Create(secret.DeepCopy()); !apierrors.IsAlreadyExists(err) || err.Error() != `secrets "a" already exists` {
		t.Errorf("second Create: %v", err)
	}
	stale := secret.DeepCopy()
	must(t, db.Update(secret))
	if err := db.Update(stale); !apierrors.IsConflict(err) {
		t.Errorf("stale Update: %v", err)
	}
	_, err := db.Delete("pods", "default", "a")
	must(t, err)
	secrets, err := crash(t, path).Objects("secrets")
	if err != nil || len(secrets) != 1 || string(secrets[0].(*corev1.Secret).Data["k"]) != "\x00\xff" {
		t.Errorf("after a crash: %v, %v", secrets, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}
