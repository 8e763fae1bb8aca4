package kube

import (
	"strings"
	"testing"
)

func TestAbsoluteHostPaths(t *testing.T) {
	spec := `{containers: [{name: a, image: b}], volumes: [{name: w, emptyDir: {}}, {name: v, hostPath: {path: below}}, {name: x, hostPath: {path: /abs}}]}`
	for kind, text := range map[string]string{
		"Pod":         "apiVersion: v1, kind: Pod, metadata: {name: a}, spec: " + spec,
		"Deployment":  "apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {template: {spec: " + spec + "}}",
		"StatefulSet": "apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {template: {spec: " + spec + "}}",
		"Job":         "apiVersion: batch/v1, kind: Job, metadata: {name: a}, spec: {template: {spec: " + spec + "}}",
		"CronJob":     "apiVersion: batch/v1, kind: CronJob, metadata: {name: a}, spec: {jobTemplate: {spec: {template: {spec: " + spec + "}}}}",
	} {
		entries, err := Decode("a.yaml", []byte("{"+text+"}"))
		if err != nil || len(entries) != 1 {
			t.Fatalf("%s: %v", kind, err)
		}
		e := entries[0]
		e.AbsoluteHostPaths("/folder")
		volumes, _ := volumesOf(e.Object)
		if len(volumes) != 3 || volumes[1].HostPath.Path != "/folder/below" || volumes[2].HostPath.Path != "/abs" {
			t.Errorf("%s: got %+v", kind, volumes)
		}
		if raw := string(e.Raw); !strings.Contains(raw, `"/folder/below"`) || !strings.Contains(raw, `"/abs"`) || strings.Contains(raw, `"below"`) {
			t.Errorf("%s: raw is %s", kind, raw)
		}
	}
	entries, err := Decode("a.yaml", []byte("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {a: b}}"))
	if err != nil {
		t.Fatal(err)
	}
	before := string(entries[0].Raw)
	entries[0].AbsoluteHostPaths("/folder")
	if string(entries[0].Raw) != before {
		t.Errorf("a ConfigMap changed to %s", entries[0].Raw)
	}
}
