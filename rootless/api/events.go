package api

import (
	"net/http"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func (s *server) listEvents(w http.ResponseWriter, r *http.Request) error {
	q := query{values: r.URL.Query()}
	if q.flag("watch") {
		return apierrors.NewMethodNotSupported(corev1.Resource("events"), "watch")
	}
	selected, err := parseSelection(q.values, eventFields(&corev1.Event{}))
	if err != nil {
		return err
	}
	want, err := negotiate(r)
	if err != nil {
		return err
	}
	list, err := s.backend.ListEvents(r.PathValue("namespace"))
	if err != nil {
		return err
	}
	kept := make([]corev1.Event, 0, len(list.Items))
	for i := range list.Items {
		if event := &list.Items[i]; selected.matches(event.Labels, eventFields(event)) {
			kept = append(kept, *event)
		}
	}
	if want == asTable {
		return s.sendTable(w, r, eventTable(kept, s.now()), list.ListMeta)
	}
	list.TypeMeta = metav1.TypeMeta{Kind: "EventList", APIVersion: "v1"}
	list.Items = kept
	return s.sendJSON(w, r, http.StatusOK, list)
}

// An event that came once has its time in one of two fields, by the age of the API that made it; a series has two times more.

func firstSeen(event *corev1.Event) metav1.Time {
	if event.FirstTimestamp.IsZero() {
		return metav1.Time{Time: event.EventTime.Time}
	}
	return event.FirstTimestamp
}

func lastSeen(event *corev1.Event) metav1.Time {
	if event.Series != nil {
		return metav1.Time{Time: event.Series.LastObservedTime.Time}
	}
	if event.LastTimestamp.IsZero() {
		return firstSeen(event)
	}
	return event.LastTimestamp
}

// eventSource is "component, host", as far as they are known.
func eventSource(event *corev1.Event) string {
	component, host := event.Source.Component, event.Source.Host
	if component == "" {
		component, host = event.ReportingController, event.ReportingInstance
	}
	if host == "" {
		return component
	}
	return component + ", " + host
}
