package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestRolloutStatus has a case for each sentence, and what each waits for.
func TestRolloutStatus(t *testing.T) {
	const rolling = `"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}`
	for _, test := range []struct{ kind, spec, status, want string }{
		{"deployment", `"replicas": 3`, `"observedGeneration": 1`, "Waiting for deployment spec update to be observed..."},
		{"deployment", `"replicas": 3`, `"observedGeneration": 2, "updatedReplicas": 1`, `Waiting for deployment "web" rollout to finish: 1 out of 3 new replicas have been updated...`},
		{"deployment", `"replicas": 3`, `"observedGeneration": 2, "updatedReplicas": 3, "replicas": 4`, `Waiting for deployment "web" rollout to finish: 1 old replicas are pending termination...`},
		{"deployment", `"replicas": 3`, `"observedGeneration": 2, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 2`,
			`Waiting for deployment "web" rollout to finish: 2 of 3 updated replicas are available...`},
		{"deployment", `"replicas": 3`, `"observedGeneration": 2, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 3`, `done: deployment "web" successfully rolled out`},
		{"deployment", ``, `"observedGeneration": 2, "updatedReplicas": 0`, `Waiting for deployment "web" rollout to finish: 0 out of 1 new replicas have been updated...`},
		{"deployment", ``, `"observedGeneration": 2, "conditions": [{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]`, `error: deployment "web" exceeded its progress deadline`},
		{"daemonset", rolling, `"observedGeneration": 0`, "Waiting for daemon set spec update to be observed..."},
		{"daemonset", rolling, `"observedGeneration": 2, "desiredNumberScheduled": 1`, `Waiting for daemon set "web" rollout to finish: 0 out of 1 new pods have been updated...`},
		{"daemonset", rolling, `"observedGeneration": 2, "desiredNumberScheduled": 1, "updatedNumberScheduled": 1`, `Waiting for daemon set "web" rollout to finish: 0 of 1 updated pods are available...`},
		{"daemonset", rolling, `"observedGeneration": 2, "desiredNumberScheduled": 1, "updatedNumberScheduled": 1, "numberAvailable": 1`, `done: daemon set "web" successfully rolled out`},
		{"daemonset", `"updateStrategy": {"type": "OnDelete"}`, ``, "error: rollout status is only available for RollingUpdate strategy type"},
		{"statefulset", rolling + `, "replicas": 3`, `"observedGeneration": 1`, "Waiting for statefulset spec update to be observed..."},
		{"statefulset", rolling + `, "replicas": 3`, `"observedGeneration": 2, "readyReplicas": 1`, "Waiting for 2 pods to be ready..."},
		{"statefulset", rolling + `, "replicas": 3`, `"observedGeneration": 2, "readyReplicas": 3, "updatedReplicas": 1`, "Waiting for partitioned roll out to finish: 1 out of 2 new pods have been updated..."},
		{"statefulset", rolling + `, "replicas": 3`, `"observedGeneration": 2, "readyReplicas": 3, "updatedReplicas": 2`, "done: partitioned roll out complete: 2 new pods have been updated..."},
	} {
		var w workload
		if err := json.Unmarshal([]byte(`{"metadata": {"name": "web", "generation": 2}, "spec": {`+test.spec+`}, "status": {`+test.status+`}}`), &w); err != nil {
			t.Fatal(err)
		}
		got, done, err := rolloutStatus(test.kind, &w)
		switch {
		case err != nil:
			got = "error: " + err.Error()
		case done:
			got = "done: " + got
		}
		if got != test.want {
			t.Errorf("%s %s: %s\nwant %s", test.kind, test.status, got, test.want)
		}
	}
}

func TestHasCondition(t *testing.T) {
	const o = `{"metadata": {"generation": 2}, "status": {"observedGeneration": %GEN%, "conditions": [{"type": "Ready", "status": "False"}, {"type": "Old", "status": "True", "observedGeneration": 1}]}}`
	for _, test := range []struct {
		observed, name, value string
		want                  bool
	}{
		{"2", "ready", "false", true}, {"2", "Ready", "true", false}, {"1", "Ready", "False", false}, {"0", "Ready", "False", true}, {"2", "Old", "True", false}, {"2", "No", "True", false},
	} {
		text := []byte(strings.ReplaceAll(o, "%GEN%", test.observed))
		if got, err := hasCondition(text, test.name, test.value); err != nil || got != test.want {
			t.Errorf("%+v: %v, error %v", test, got, err)
		}
	}
	for _, bad := range []string{"", "ready", "condition=", "condition==True", "jsonpath={.a}"} {
		if _, err := parseCondition(bad); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
}
