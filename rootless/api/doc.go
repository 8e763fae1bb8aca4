// Package api puts the node on a socket: a http.Handler that speaks the Kubernetes API for the kinds of package kube, and the client
// for it in the package below.
//
// # Words
//
// The *backend* is the node as the handlers see it (Backend); it owns every object. A *handler* translates one HTTP request
// into one call of the backend and its result into JSON: nothing is kept between requests. A *view* is the form in which
// a client wants objects: as they are, or as a metav1.Table, whose cells are what kubectl prints. A *selection* is the
// label and field selector of a request. A *resource* is how one kind of object is served (resource.go). A *frame* is one line of a stream: {"type": "MODIFIED", "object": …}.
//
// # One use: kubectl get pods --watch
//
//	GET /api                               which versions there are (discovery.go)
//	GET /api/v1                            "po" means "pods"
//	GET /api/v1/namespaces/default/pods    Accept: …;as=Table    (objects.go lists, resource.go makes rows, status.go their words)
//	GET …/pods?watch=1&resourceVersion=17  a frame for each change after 17 (watch.go), until either side hangs up
//
// # Paths
//
//	/api /apis /api/v1 /version /healthz /livez /readyz      discovery.go
//	/apis/{group} /apis/{group}/v1                           the same of apps and batch
//	/api/v1/[namespaces/{namespace}/]{resource}              GET (list, watch), POST; of another group below /apis/{group}/v1; of namespaces without one
//	/api/v1/namespaces/{namespace}/{resource}/{name}         GET, PUT, PATCH (server-side apply, JSON patch, JSON and strategic merge), DELETE
//	/apis/apps/v1/namespaces/{namespace}/{resource}/{name}/scale  GET, PUT, PATCH (merge), where there is a kube.Scale
//	/api/v1/namespaces/{namespace}/pods/{name}/{part}        GET, PUT, PATCH (but server-side apply) of a kube.Part: ephemeralcontainers
//	/api/v1/namespaces/{namespace}/pods/{name}/log           GET
//	/api/v1/namespaces/{namespace}/pods/{name}/exec          GET, POST as WebSocket v4 or v5.channel.k8s.io
//	/api/v1/[namespaces/{namespace}/]events                  GET
//	/openapi/v3[/api/v1 …] /openapi/v2                       what objects are made of (openapi.go)
//	/peapod/v1/…                                             what no cluster has: containers, images, the node itself
//
// Every error is a metav1.Status with the code that an API server would use.
//
// # Not promised
//
// There is no authentication: whoever can open the socket is the user (`peapod proxy` puts it behind a token and TLS). Answers are JSON only; bodies may be YAML or
// protobuf as well, as clients send both. A list is never paged: limit is accepted and everything comes at
// once. An apply keeps no field managers: the manifest that came last says everything. Fields that are unknown are errors, also where a cluster would warn of
// them, unless the client asks for less (fieldValidation).
package api
