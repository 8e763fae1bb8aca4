package main

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/peapod/peapod/rootless/kube"
)

type hinted struct{ error }

func (hinted) Hint() string { return "install uidmap" }

func TestReport(t *testing.T) {
	const manifest = "# a comment\napiVersion: v1\nkind: Pod\nmetadata: {name: demo}\nspec:\n  containers:\n  - name: a\n    image: b\n"
	objects, err := kube.Decode("pod.yaml", []byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	invalid := func(errs ...*field.Error) error {
		return apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("Pod").GroupKind(), "demo", errs)
	}
	image := field.Invalid(field.NewPath("spec", "containers").Index(0).Child("image"), "b", "no such thing")
	volumes := field.Required(field.NewPath("spec", "volumes"), "")
	for _, test := range []struct {
		name string
		err  error
		code int
		want string
	}{
		{"none", nil, 0, ""},
		{"plain", errors.New("oh"), 1, "error: oh\n"},
		{"usage", usagef(&cobra.Command{Use: "get"}, "no %s", "verb"), 1, "error: no verb\nSee 'get --help' for usage.\n"},
		{"hint", fmt.Errorf("start: %w", hinted{errors.New("oh")}), 1, "error: start: oh\nhint: install uidmap\n"},
		{"joined", errors.Join(errors.New("a"), errors.Join(errors.New("b"), errors.New("c"))), 1, "error: a\nerror: b\nerror: c\n"},
		{"silent", &exitError{code: 7}, 7, ""},
		{"code", &exitError{7, "ended"}, 7, "ended\n"},
		{"not found", apierrors.NewNotFound(corev1.Resource("pods"), "demo"), 1, "Error from server (NotFound): pods \"demo\" not found\n"},
		{"no reason", &apierrors.StatusError{}, 1, "Error from server: unknown error\n"},
		{"invalid", invalid(image), 1, "The Pod \"demo\" is invalid: spec.containers[0].image: Invalid value: \"b\": no such thing\n"},
		{"invalid file", &locatedError{&objects[0], invalid(image)}, 1,
			"The Pod \"demo\" is invalid: pod.yaml:8: spec.containers[0].image: Invalid value: \"b\": no such thing\n"},
		{"invalid twice", &locatedError{&objects[0], invalid(image, volumes)}, 1, "The Pod \"demo\" is invalid: \n" +
			"* pod.yaml:8: spec.containers[0].image: Invalid value: \"b\": no such thing\n* pod.yaml:5: spec.volumes: Required value\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			if code := (&app{err: &out}).report(test.err); code != test.code || out.String() != test.want {
				t.Errorf("exit status %d, %q\nwant %d, %q", code, out.String(), test.code, test.want)
			}
		})
	}
}
