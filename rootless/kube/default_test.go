package kube

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestPullPolicy(t *testing.T) {
	for image, want := range map[string]corev1.PullPolicy{
		"nginx":                          corev1.PullAlways,
		"nginx:latest":                   corev1.PullAlways,
		"nginx:1.21":                     corev1.PullIfNotPresent,
		"registry:5000/nginx":            corev1.PullAlways,
		"registry:5000/nginx:1":          corev1.PullIfNotPresent,
		"nginx@sha256:abc":               corev1.PullIfNotPresent,
		"nginx:latest@sha256:abc":        corev1.PullAlways,
		"registry:5000/nginx@sha256:abc": corev1.PullIfNotPresent,
		"":                               corev1.PullIfNotPresent,
	} {
		if got := pullPolicy(image); got != want {
			t.Errorf("%q: got %s, want %s", image, got, want)
		}
	}
}

// TestDefault compares a defaulted Pod with testdata/defaulted.json, which is as a cluster's API server gives it back.
func TestDefault(t *testing.T) {
	input, err := os.ReadFile("testdata/plain.json")
	if err != nil {
		t.Fatal(err)
	}
	p := decodePod(t, input)
	Default(p)
	got, err := json.MarshalIndent(p.Spec, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile("testdata/defaulted.json", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/defaulted.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got %s", got)
	}
}
