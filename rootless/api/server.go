package api

import (
	"log/slog"
	"net/http"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/peapod/peapod/rootless/kube"
)

// maxBody is the largest request body in bytes: the API server's own limit.
const maxBody = 3 << 20

// server holds what all handlers share. It is immutable but for the lock.
type server struct {
	backend Backend
	log     *slog.Logger
	now     func() time.Time

	// mu makes "is there one already?" and the apply that follows one step (POST must not change an existing Pod). It is not held while a client is
	// answered, who may be in no hurry to read.
	mu sync.Mutex
}

// A handler answers one request; the error it returns is sent as a metav1.Status. It must not return an error after it
// has begun to answer.
type handler func(w http.ResponseWriter, r *http.Request) error

// methods are the handlers of one path by HTTP method.
type methods map[string]handler

// New returns the handler for the node's socket.
func New(b Backend, log *slog.Logger) http.Handler {
	s := &server{backend: b, log: log, now: time.Now}
	mux := http.NewServeMux()
	all := []map[string]methods{s.routes(), s.groupRoutes(), s.openAPIRoutes(), s.imageRoutes()}
	for _, r := range resources {
		o := &objects{s, r}
		all = append(all, o.routes(), o.scaleRoutes())
		if r.kind == kube.Pods {
			all = append(all, partRoutes(o))
		}
	}
	for _, routes := range all {
		for path, m := range routes {
			mux.Handle(path, s.serve(m))
		}
	}
	mux.Handle("/", s.serve(nil))
	return mux
}

func (s *server) routes() map[string]methods {
	events := methods{http.MethodGet: s.listEvents}
	exec := methods{http.MethodGet: s.exec, http.MethodPost: s.exec}
	attach := methods{http.MethodGet: s.attach, http.MethodPost: s.attach}
	forward := methods{http.MethodGet: s.portForward, http.MethodPost: s.portForward}
	health := methods{http.MethodGet: s.health}
	return map[string]methods{
		"/api":     {http.MethodGet: s.apiVersions},
		"/apis":    {http.MethodGet: s.apiGroups},
		"/api/v1":  {http.MethodGet: s.apiResources},
		"/version": {http.MethodGet: s.kubernetesVersion},
		"/healthz": health,
		"/livez":   health,
		"/readyz":  health,

		"/api/v1/events":                                         events,
		"/api/v1/namespaces/{namespace}/events":                  events,
		"/api/v1/namespaces/{namespace}/pods/{name}/log":         {http.MethodGet: s.logs},
		"/api/v1/namespaces/{namespace}/pods/{name}/exec":        exec,
		"/api/v1/namespaces/{namespace}/pods/{name}/attach":      attach,
		"/api/v1/namespaces/{namespace}/pods/{name}/portforward": forward,

		"/peapod/v1/containers": {http.MethodGet: s.containers},
		"/peapod/v1/version":    {http.MethodGet: s.version},
		"/peapod/v1/shutdown":   {http.MethodPost: s.shutdown},
	}
}

// serve picks the handler for the request's method and sends its error. Without any methods the path does not exist.
func (s *server) serve(m methods) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, ok := m[r.Method]
		var err error
		switch {
		case ok:
			if r.URL.Path != loadPath { // an archive is as large as it is, and read as a stream
				r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			}
			err = h(w, r)
		case m == nil:
			err = apierrors.NewGenericServerResponse(http.StatusNotFound, r.Method, schema.GroupResource{}, "", "", 0, true)
		default:
			err = apierrors.NewGenericServerResponse(http.StatusMethodNotAllowed, r.Method, schema.GroupResource{}, "", "", 0, true)
		}
		if err != nil {
			s.sendError(w, r, err)
		}
	})
}
