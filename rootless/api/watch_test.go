package api

import (
	"fmt"
	"net/url"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/peapod/peapod/rootless/kube"
)

// A selection by label sees Pods come and go as their labels change.
func TestWatchFilter(t *testing.T) {
	selected, err := parseSelection(url.Values{"labelSelector": {"on=1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	pod := func(version, name, on string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			ResourceVersion: version, Namespace: "default", Name: name, Labels: map[string]string{"on": on},
		}}
	}
	filter := &watchFilter{resource: resources[0], selection: selected}
	filter.remember(&ObjectList{ResourceVersion: "10", Items: []kube.Object{pod("5", "lit", "1"), pod("6", "dark", "0")}})
	for i, test := range []struct {
		kind watch.EventType
		pod  *corev1.Pod
		want string
	}{
		{watch.Modified, pod("8", "gone", "0"), "DELETED"}, // older than the list: it may have been lit before
		{watch.Deleted, pod("9", "gone", "0"), ""},         // but now it is known
		{watch.Modified, pod("11", "lit", "1"), "MODIFIED"},
		{watch.Modified, pod("12", "lit", "0"), "DELETED"},
		{watch.Modified, pod("13", "lit", "0"), ""},
		{watch.Deleted, pod("14", "lit", "0"), ""},
		{watch.Modified, pod("15", "dark", "1"), "ADDED"},
		{watch.Modified, pod("16", "dark", "1"), "MODIFIED"},
		{watch.Deleted, pod("17", "dark", "1"), "DELETED"},
		{watch.Added, pod("18", "dark", "0"), ""},
		{watch.Added, pod("19", "new", "1"), "ADDED"},
		{watch.Bookmark, pod("20", "", ""), "BOOKMARK"},
	} {
		got := ""
		if event, ok := filter.translate(watch.Event{Type: test.kind, Object: test.pod}); ok {
			got = string(event.Type)
		}
		if got != test.want {
			t.Errorf("step %d: %s of %s: got %q, want %q", i, test.kind, fmt.Sprint(test.pod.Name, test.pod.Labels), got, test.want)
		}
	}
}

func TestStableSelection(t *testing.T) {
	for selector, want := range map[string]bool{
		"": true, "metadata.name=a": true, "metadata.name!=a,metadata.namespace=b": true, "status.phase=Running": false,
	} {
		selected, err := parseSelection(url.Values{"fieldSelector": {selector}}, resources[0].fieldsOf(&corev1.Pod{}))
		if err != nil || selected.stable() != want {
			t.Errorf("%q: %v, %v", selector, selected.stable(), err)
		}
	}
}
