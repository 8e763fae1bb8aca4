package kube

import (
	"slices"
	"testing"
)

func TestEphemeralContainers(t *testing.T) {
	const lasting = `"initContainers": [{"name": "i", "image": "i"}], "containers": [{"name": "c", "image": "c"}]`
	part := Parts[0]
	stored := pod(t, `{`+lasting+`, "ephemeralContainers": [{"name": "old", "image": "o"}]}`)
	for _, test := range []struct {
		name, list string
		want       []string
	}{
		{"another", `[{"name": "old", "image": "o"}, {"name": "new", "image": "n", "targetContainerName": "c", "stdin": true, "tty": true}]`, nil},
		{"the order is free", `[{"name": "new", "image": "n", "targetContainerName": "i"}, {"name": "old", "image": "o"}]`, nil},
		{"removed", `[]`, []string{"spec.ephemeralContainers: Forbidden: existing ephemeral containers \"old\" may not be removed\n"}},
		{"changed", `[{"name": "old", "image": "p"}]`, []string{
			"spec.ephemeralContainers: Forbidden: existing ephemeral containers \"old\" may not be changed\n" +
				"  spec.ephemeralContainers[old].image: \"o\" → \"p\""}},
		{"names", `[{"name": "old", "image": "o"}, {"name": "c", "image": "n"}, {"image": "n", "targetContainerName": "old"}]`, []string{
			`spec.ephemeralContainers[1].name: Duplicate value: "c"`,
			`spec.ephemeralContainers[2].name: Required value`,
			`spec.ephemeralContainers[2].targetContainerName: Not found: "old"`}},
		{"what others rely on", `[{"name": "old", "image": "o"}, {"name": "n", "image": "n", "ports": [{"containerPort": 1}], "resources": {"limits": {"cpu": "1"}},
			"resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}], "restartPolicy": "Always", "readinessProbe": {"tcpSocket": {"port": 1}}, "lifecycle": {}}]`, []string{
			"spec.ephemeralContainers[1].ports: Forbidden: cannot be set for an Ephemeral Container",
			"spec.ephemeralContainers[1].resources: Forbidden: cannot be set for an Ephemeral Container",
			"spec.ephemeralContainers[1].resizePolicy: Forbidden: cannot be set for an Ephemeral Container",
			"spec.ephemeralContainers[1].restartPolicy: Forbidden: cannot be set for an Ephemeral Container",
			"spec.ephemeralContainers[1].readinessProbe: Forbidden: cannot be set for an Ephemeral Container",
			"spec.ephemeralContainers[1].lifecycle: Forbidden: cannot be set for an Ephemeral Container"}},
		{"not for us", `[{"name": "old", "image": "o"}, {"name": "n", "image": "n", "volumeDevices": [{"name": "x", "devicePath": "/x"}]}]`, []string{
			"spec.ephemeralContainers[1].volumeDevices: Forbidden: not supported by peapod: an ordinary user has no block devices"}},
	} {
		wanted := stored.DeepCopy()
		part.Take(wanted, pod(t, `{`+lasting+`, "ephemeralContainers": `+test.list+`}`))
		var got []string
		for _, err := range part.Validate(wanted, stored, Features{}) {
			got = append(got, err.Error())
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s:\n%q\nwant\n%q", test.name, got, test.want)
		}
	}
	if errs := ValidateCreate(stored); len(errs) != 1 {
		t.Errorf("in a new Pod: %v", errs)
	}
	// A manifest says nothing of them, and so takes none away.
	if applied := pod(t, `{`+lasting+`}`); !Equal(applied, stored) || len(ValidateUpdate(applied, stored)) > 0 {
		t.Error("a manifest without ephemeral containers differs from the Pod that they have joined")
	}
	target := stored.DeepCopy()
	if adoptPod(target, pod(t, `{`+lasting+`}`)); len(target.Spec.EphemeralContainers) != 1 {
		t.Errorf("an apply took them away: %+v", target.Spec)
	}
}
