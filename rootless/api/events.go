package api

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/peapod/peapod/rootless/kube"
)

// events is how Events are served, which the backend keeps apart from objects: nobody applies them.
var events = &resource{
	kind: &kube.Kind{Version: "v1", Name: "Event", Resource: "events", New: func() kube.Object { return &corev1.Event{} }},
	columns: []metav1.TableColumnDefinition{
		column("Last Seen"), column("Type"), column("Reason"), column("Object"), wideColumn("Subobject"), wideColumn("Source"), column("Message"),
		wideColumn("First Seen"), wideColumn("Count"), wideColumn("Name"),
	},
	cells:  func(o kube.Object, now time.Time) []any { return eventCells(o.(*corev1.Event), now) },
	fields: func(o kube.Object) fields.Set { return eventFields(o.(*corev1.Event)) },
}

func (s *server) listEvents(w http.ResponseWriter, r *http.Request) error {
	q := query{values: r.URL.Query()}
	watching := q.flag("watch")
	if q.err != nil {
		return q.err
	}
	selected, err := parseSelection(q.values, events.fieldsOf(&corev1.Event{}))
	if err != nil {
		return err
	}
	want, err := negotiate(r)
	if err != nil {
		return err
	}
	if watching {
		return s.watchEvents(w, r, want, selected)
	}
	list, err := s.backend.ListEvents(r.PathValue("namespace"))
	if err != nil {
		return err
	}
	kept := make([]kube.Object, 0, len(list.Items))
	for i := range list.Items {
		if event := &list.Items[i]; events.matches(selected, event) {
			kept = append(kept, event)
		}
	}
	if want.table {
		return s.sendTable(w, r, events.table(kept, want.include, s.now()), list.ListMeta)
	}
	return s.sendJSON(w, r, http.StatusOK, wireList{metav1.TypeMeta{Kind: "EventList", APIVersion: "v1"}, list.ListMeta, kept})
}

// watchEvents begins, without a resourceVersion, with the events that there are. That one is forgotten is not told.
func (s *server) watchEvents(w http.ResponseWriter, r *http.Request, want view, selected selection) error {
	q, err := parseWatch(r)
	if err != nil {
		return err
	}
	ctx, cancel := within(r.Context(), q.timeout)
	defer cancel()
	list := &corev1.EventList{}
	if q.fromNow {
		if list, err = s.backend.ListEvents(r.PathValue("namespace")); err != nil {
			return err
		}
		q.version = list.ResourceVersion
	}
	changes := s.backend.WatchEvents(ctx, r.PathValue("namespace"), q.version)
	out := newFrames(w, want, events, s.now)
	for i := range list.Items {
		if event := &list.Items[i]; events.matches(selected, event) {
			out.send(watch.Event{Type: watch.Added, Object: event})
		}
	}
	if q.bookmark {
		out.send(initialEnd(events.kind, q.version))
	}
	for change := range changes {
		if events.matches(selected, change.Object.(kube.Object)) {
			out.send(change)
		}
	}
	return nil
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

func eventCells(event *corev1.Event, now time.Time) []any {
	about := event.InvolvedObject
	return []any{
		age(lastSeen(event), now), event.Type, event.Reason, strings.ToLower(about.Kind) + "/" + about.Name, about.FieldPath,
		eventSource(event), event.Message, age(firstSeen(event), now), fmt.Sprint(max(event.Count, 1)), event.Name,
	}
}
