package node

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/peapod/peapod/rootless/kube"
)

func testSecret(namespace, name, config string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Type: corev1.SecretTypeDockerConfigJson,
		Data: map[string][]byte{corev1.DockerConfigJsonKey: []byte(config)},
	}
}

// Which credentials a Pod has, and what its events say of those it lacks.
func TestPullCredentials(t *testing.T) {
	n := &Node{registry: testRegistry(t), events: &eventLog{}}
	for _, s := range []*corev1.Secret{
		testSecret("default", "one", `{"auths":{"r":{"username":"one"}}}`),
		testSecret("default", "two", `{"auths":{"r":{"username":"two"}}}`),
		testSecret("default", "bad", `{"auths":{"r":{"auth":"hunter2"}}}`),
		testSecret("other", "three", `{"auths":{"r":{"username":"three"}}}`),
	} {
		if err := n.registry.create(s); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ secrets, want, event, err string }{
		{secrets: ""},
		{secrets: "two one", want: "two one"},
		{secrets: "one three four", want: "one", event: "Unable to retrieve some image pull secrets (three, four); attempting to pull the image may not succeed."},
		{secrets: "one bad", err: `imagePullSecrets: secret "bad": data[.dockerconfigjson]: "r": auth: must be base64 of USERNAME:PASSWORD`},
	} {
		object := testPod("demo")
		object.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{}} // one without a name means nothing
		for name := range strings.FieldsSeq(test.secrets) {
			object.Spec.ImagePullSecrets = append(object.Spec.ImagePullSecrets, corev1.LocalObjectReference{Name: name})
		}
		p := &pod{node: n, namespace: "default", name: "demo"}
		credentials, err := p.pullCredentials(object)
		var users []string
		for _, c := range credentials {
			users = append(users, c.Username)
		}
		if got := strings.Join(users, " "); got != test.want {
			t.Errorf("%s: got %q", test.secrets, got)
		}
		if (err == nil) != (test.err == "") || err != nil && err.Error() != test.err {
			t.Errorf("%s: error %v", test.secrets, err)
		}
		event := ""
		for _, e := range n.events.list("default").Items {
			event = e.Message
			if e.Reason != "FailedToRetrieveImagePullSecret" || e.Type != corev1.EventTypeWarning || e.InvolvedObject.FieldPath != "" {
				t.Errorf("%s: event %s %s about %q", test.secrets, e.Type, e.Reason, e.InvolvedObject.FieldPath)
			}
		}
		if event != test.event {
			t.Errorf("%s: event %q", test.secrets, event)
		}
		n.events.forget(object)
	}
}

// A Pod and a Secret of one name are two objects; a watch of the one kind sees nothing of the other.
func TestRegistryKeepsKindsApart(t *testing.T) {
	r := testRegistry(t)
	_, start := r.list(kube.Pods, "")
	events, err := r.watch(t.Context(), kube.Secrets, "default", version(start))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []kube.Object{testPod("demo"), testSecret("other", "demo", "{}"), testSecret("default", "demo", "{}")} {
		if err := r.create(o); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.remove(kube.Pods, "default", "demo"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.update(kube.Secrets, "default", "demo", func(o kube.Object) { o.SetLabels(map[string]string{"a": "b"}) }); err != nil {
		t.Fatal(err)
	}
	for _, want := range []watch.EventType{watch.Added, watch.Modified} {
		if e := <-events; e.Type != want || e.Object.(kube.Object).GetName() != "demo" || kube.KindOf(e.Object.(kube.Object)) != kube.Secrets {
			t.Errorf("got %s %T, want %s", e.Type, e.Object, want)
		}
	}
	again, err := newRegistry(r.db)
	if err != nil {
		t.Fatal(err)
	}
	o, err := again.get(kube.Secrets, "default", "demo")
	if err != nil || o.GetLabels()["a"] != "b" || len(again.pods()) != 0 {
		t.Errorf("in the database: %v, %v, %d Pods", o, err, len(again.pods()))
	}
}
