package node

import (
	"errors"
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/peapod/peapod/image"
	"github.com/peapod/peapod/rootless/container"
)

func TestNames(t *testing.T) {
	object := testPod("demo")
	object.Spec.Containers[0].Image = "app:1"
	object.Spec.InitContainers = []corev1.Container{{Name: "i", Image: "init"}}
	object.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "a", ImageID: "old"}}
	ids := map[string]string{"app:1": "one", "init": "two"}
	for id, want := range map[string]bool{"one": true, "two": true, "old": true, "three": false} {
		if got := names(object, id, func(name string) string { return ids[name] }); got != want {
			t.Errorf("%s: %v", id, got)
		}
	}
}

// A claim lasts until the container makes another one; an instance's until it is removed.
func TestCrewUses(t *testing.T) {
	c := newCrew()
	c.claim("a", "one")
	c.add(&instance{Container: &container.Container{ID: "c"}, imageID: "zero"})
	c.claim("b", "two")
	c.claim("a", "three")
	for id, want := range map[string]bool{"zero": true, "one": false, "two": true, "three": true} {
		if got := c.uses(id); got != want {
			t.Errorf("%s: %v", id, got)
		}
	}
	c.remove("c")
	if c.uses("zero") {
		t.Error("an instance that is gone")
	}
}

func TestImageErrors(t *testing.T) {
	other := errors.New("disk full")
	for _, test := range []struct {
		err  error
		code int32
	}{
		{image.ErrNotFound, http.StatusNotFound}, {&image.InUse{Image: "a", Users: []string{"Pod default/demo"}}, http.StatusConflict},
		{image.ErrInvalidReference, http.StatusBadRequest},
	} {
		var status apierrors.APIStatus
		err := imageError(test.err)
		if !errors.As(err, &status) || status.Status().Code != test.code || err.Error() != test.err.Error() {
			t.Errorf("%v: %+v", test.err, err)
		}
	}
	if err := imageError(other); err != other { //nolint:errorlint // the very one
		t.Errorf("got %v", err)
	}
	if err := imageError(nil); err != nil {
		t.Errorf("got %v", err)
	}
}
