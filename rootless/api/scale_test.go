package api_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/peapod/peapod/rootless/api"
	"github.com/peapod/peapod/rootless/api/apitest"
	"github.com/peapod/peapod/rootless/kube"
)

func TestScale(t *testing.T) {
	const path = "/apis/apps/v1/namespaces/default/deployments/web/scale"
	const mergeType = "application/merge-patch+json"
	for _, test := range []struct {
		name, method, media, body string
		code                      int
		want                      []string
	}{
		{"get", "GET", "", "", 200, []string{`"kind":"Scale"`, `"apiVersion":"autoscaling/v1"`, `"spec":{"replicas":1}`, `"selector":"app=web"`}},
		{"patch", "PATCH", mergeType, `{"spec":{"replicas":3}}`, 200, []string{`"spec":{"replicas":3}`}},
		{"patch to none", "PATCH", mergeType, `{"spec":{"replicas":0}}`, 200, []string{`"spec":{"replicas":0}`}},
		{"patch of nothing", "PATCH", mergeType, `{}`, 200, []string{`"spec":{"replicas":1}`}},
		{"put", "PUT", "", `{"metadata":{"name":"web","resourceVersion":"2"},"spec":{"replicas":2}}`, 200, []string{`"spec":{"replicas":2}`}},
		{"put of an older one", "PUT", "", `{"metadata":{"resourceVersion":"1"},"spec":{"replicas":2}}`, 409, []string{`"reason":"Conflict"`}},
		{"put what is left out", "PUT", "", `{}`, 200, []string{`"spec":{"replicas":0}`}},
		{"fewer than none", "PUT", "", `{"spec":{"replicas":-1}}`, 422, []string{`spec.replicas: Invalid value: -1: must be greater than or equal to 0`}},
		{"no scale", "PUT", "", `[]`, 400, []string{"decode Scale"}},
		{"another patch", "PATCH", "application/json-patch+json", `[]`, 415, []string{"UnsupportedMediaType"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := apitest.New()
			web := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default"}}
			web.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
			web.Spec.Template.Labels = web.Spec.Selector.MatchLabels
			web.Spec.Template.Spec.Containers = []corev1.Container{{Name: "c", Image: "i"}}
			kube.Deployments.Default(web)
			b.Put(web)
			r := httptest.NewRequest(test.method, path, strings.NewReader(test.body))
			if test.media != "" {
				r.Header.Set("Content-Type", test.media)
			}
			checkAnswer(t, api.New(b, quiet()), r, test.code, test.want)
		})
	}
}
