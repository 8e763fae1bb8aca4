package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/peapod/peapod/rootless/kube"
)

// A watch either goes on after a resourceVersion that the client has from a list, or (without one, or with
// sendInitialEvents) begins with the present objects as ADDED. In the second case the handler lists, sends the list and watches
// from the list's version, so that nothing is missed and nothing comes twice.

// frame is one line of a watch's answer.
type frame struct {
	Type   watch.EventType `json:"type"`
	Object any             `json:"object"`
}

func (s *objects) watch(w http.ResponseWriter, r *http.Request, selected selection) error {
	want, err := negotiate(r)
	if err != nil {
		return err
	}
	q, err := parseWatch(r)
	if err != nil {
		return err
	}
	ctx, cancel := within(r.Context(), q.timeout)
	defer cancel()
	filter, list, err := s.startFilter(r, selected, q)
	if err != nil {
		return err
	}
	events, err := s.backend.WatchObjects(ctx, s.kind(), r.PathValue("namespace"), q.version)
	if err != nil {
		return err
	}
	out := newFrames(w, want, s.resource, s.now)
	for _, o := range list {
		if filter.matches(o) {
			out.send(watch.Event{Type: watch.Added, Object: o})
		}
	}
	if q.bookmark {
		out.send(initialEnd(s.kind(), q.version))
	}
	for event := range events {
		if event, ok := filter.translate(event); ok {
			out.send(event)
		}
	}
	return nil
}

// watchQuery is what a watch asks for, besides a selection.
type watchQuery struct {
	version  string // the watch goes on after it
	fromNow  bool   // it begins with what there is, whose version is still to be found
	bookmark bool   // the end of that is to be told
	timeout  *int64 // in seconds
}

func parseWatch(r *http.Request) (*watchQuery, error) {
	q := query{values: r.URL.Query()}
	initial, bookmarks := q.flag("sendInitialEvents"), q.flag("allowWatchBookmarks")
	w := &watchQuery{version: q.text("resourceVersion"), bookmark: initial && bookmarks, timeout: q.number("timeoutSeconds", 1)}
	w.fromNow = initial || w.version == "" || w.version == "0"
	return w, q.err
}

// within ends a context after some seconds, if any are given.
func within(ctx context.Context, seconds *int64) (context.Context, context.CancelFunc) {
	if seconds == nil {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, time.Duration(min(*seconds, 1<<31))*time.Second)
}

// startFilter returns the filter and, for a watch that begins with the present, the objects to send first; the version of q is
// then set to the list's.
func (s *objects) startFilter(r *http.Request, selected selection, q *watchQuery) (*watchFilter, []kube.Object, error) {
	filter := &watchFilter{resource: s.resource, selection: selected}
	if selected.stable() && !q.fromNow {
		return filter, nil, nil
	}
	list, err := s.backend.ListObjects(s.kind(), r.PathValue("namespace"))
	if err != nil {
		return nil, nil, err
	}
	filter.remember(list)
	if !q.fromNow {
		return filter, nil, nil
	}
	q.version = list.ResourceVersion
	return filter, list.Items, nil
}

// initialEnd is the bookmark that ends the initial events of a watch with sendInitialEvents.
func initialEnd(kind *kube.Kind, version string) watch.Event {
	o := kind.New()
	o.SetResourceVersion(version)
	o.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
	return watch.Event{Type: watch.Bookmark, Object: o}
}

// frames writes a watch's answer. It is a chunked stream: each frame is sent at once.
type frames struct {
	encoder  *json.Encoder
	flush    func() error
	want     view
	resource *resource
	now      func() time.Time
}

func newFrames(w http.ResponseWriter, want view, of *resource, now func() time.Time) *frames {
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(http.StatusOK)
	out := &frames{encoder: json.NewEncoder(w), flush: http.NewResponseController(w).Flush, want: want, resource: of, now: now}
	_ = out.flush() // the client may be gone: then the request's context ends, and with it the watch
	return out
}

func (f *frames) send(event watch.Event) {
	var object any = event.Object
	switch o := event.Object.(type) {
	case *metav1.Status:
		o.TypeMeta = statusType
	case kube.Object:
		if f.want.table {
			table := f.resource.table([]kube.Object{o}, f.want.include, f.now())
			table.ResourceVersion = o.GetResourceVersion()
			object = table
		} else {
			f.resource.setType(o)
		}
	}
	if f.encoder.Encode(frame{event.Type, object}) == nil {
		_ = f.flush() // as above
	}
}

// watchFilter turns changes of objects into changes of the set of selected objects: one that begins to match is ADDED,
// one that ceases to match is DELETED.
//
// It has to know whether an object matched before the change. Where the watch goes on after an older version, that is known for what
// came by in the stream, and from the list for changes newer than the list. For a replayed change before that it is unknown:
// then the filter says DELETED for one that does not match, which a client that never had it passes over.
type watchFilter struct {
	resource  *resource
	selection selection
	listed    uint64 // version of the list
	inList    map[string]bool
	inStream  map[string]bool
}

func objectKey(o kube.Object) string { return o.GetNamespace() + "/" + o.GetName() }

func (f *watchFilter) matches(o kube.Object) bool { return f.resource.matches(f.selection, o) }

func (f *watchFilter) remember(list *ObjectList) {
	if f.selection.stable() {
		return
	}
	f.listed = version(list.ResourceVersion)
	f.inStream = map[string]bool{}
	f.inList = make(map[string]bool, len(list.Items))
	for _, o := range list.Items {
		f.inList[objectKey(o)] = f.matches(o)
	}
}

// translate returns the event to send, if any.
func (f *watchFilter) translate(event watch.Event) (watch.Event, bool) {
	o, ok := event.Object.(kube.Object)
	if !ok || event.Type == watch.Bookmark {
		return event, true
	}
	matches := f.matches(o)
	if f.selection.stable() {
		return event, matches
	}
	before, known := f.before(o)
	f.inStream[objectKey(o)] = matches && event.Type != watch.Deleted
	switch {
	case event.Type == watch.Deleted:
		return event, matches || before
	case matches && known && !before:
		event.Type = watch.Added
		return event, true
	case matches:
		return event, true
	case before || (!known && event.Type == watch.Modified):
		event.Type = watch.Deleted
		return event, true
	}
	return event, false
}

func (f *watchFilter) before(o kube.Object) (matched, known bool) {
	if matched, known = f.inStream[objectKey(o)]; known {
		return matched, true
	}
	if version(o.GetResourceVersion()) <= f.listed {
		return false, false
	}
	return f.inList[objectKey(o)], true
}

// version reads a resourceVersion as the number it is here; 0 if it is none.
func version(text string) uint64 {
	n, _ := strconv.ParseUint(text, 10, 64)
	return n
}
