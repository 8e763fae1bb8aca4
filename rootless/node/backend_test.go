package node

import (
	"os"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/state"
)

// testNode has a registry and folders, and nothing that runs.
func testNode(t *testing.T) *Node {
	return &Node{name: "here", paths: state.Paths{Run: t.TempDir()}, registry: testRegistry(t), events: &eventLog{}}
}

// TestCreateTaken: a controller tries again and again to make a Pod whose name is taken. That leaves nothing.
func TestCreateTaken(t *testing.T) {
	n := testNode(t)
	if err := n.registry.create(testPod("demo")); err != nil {
		t.Fatal(err)
	}
	if _, err := n.create(testPod("demo"), false); !apierrors.IsAlreadyExists(err) {
		t.Errorf("a name that is taken: %v", err)
	}
	if left, err := os.ReadDir(n.paths.PodsRun()); err != nil || len(left) > 0 {
		t.Errorf("%v is left: %v", left, err)
	}
}

func TestCreateInvalidMakesNoNamespace(t *testing.T) {
	n := testNode(t)
	pod := testPod("demo")
	pod.Namespace, pod.Spec.EphemeralContainers = "team", []corev1.EphemeralContainer{{}}
	if _, err := n.create(pod, false); !apierrors.IsInvalid(err) {
		t.Errorf("a new Pod with ephemeral containers: %v", err)
	}
	if _, err := n.registry.get(kube.Namespaces, "", "team"); !apierrors.IsNotFound(err) {
		t.Errorf("its namespace: %v", err)
	}
}

func TestPreconditions(t *testing.T) {
	pod := testPod("demo")
	pod.ResourceVersion = "7"
	uid, otherUID, version, otherVersion := pod.UID, types.UID("x"), "7", "6"
	for want, p := range map[string]*metav1.Preconditions{
		"none": nil, "uid": {UID: &uid}, "version": {ResourceVersion: &version}, "both": {UID: &uid, ResourceVersion: &version},
	} {
		if err := checkPreconditions(p, pod); err != nil {
			t.Errorf("%s: %v", want, err)
		}
	}
	for want, p := range map[string]*metav1.Preconditions{
		`Operation cannot be fulfilled on pods "demo": the UID in the precondition (x) does not match the UID in record (uid-demo). ` +
			`The object might have been deleted and then recreated`: {UID: &otherUID, ResourceVersion: &version},
		`Operation cannot be fulfilled on pods "demo": the ResourceVersion in the precondition (6) does not match the ResourceVersion in record (7). ` +
			`The object might have been modified`: {UID: &uid, ResourceVersion: &otherVersion},
	} {
		if err := checkPreconditions(p, pod); !apierrors.IsConflict(err) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
