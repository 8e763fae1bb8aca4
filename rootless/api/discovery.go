package api

import (
	"net/http"
	"runtime"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiversion "k8s.io/apimachinery/pkg/version"

	"github.com/peapod/peapod/rootless/kube"
)

func (s *server) apiVersions(w http.ResponseWriter, r *http.Request) error {
	return s.sendJSON(w, r, http.StatusOK, &metav1.APIVersions{
		TypeMeta:                   metav1.TypeMeta{Kind: "APIVersions"},
		Versions:                   []string{"v1"},
		ServerAddressByClientCIDRs: []metav1.ServerAddressByClientCIDR{},
	})
}

// groups are the API groups but the core, in order.
func groups() []string {
	var names []string
	for _, r := range resources {
		if r.kind.Group != "" {
			names = append(names, r.kind.Group)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func apiGroup(name string) metav1.APIGroup {
	version := metav1.GroupVersionForDiscovery{GroupVersion: name + "/v1", Version: "v1"}
	return metav1.APIGroup{Name: name, Versions: []metav1.GroupVersionForDiscovery{version}, PreferredVersion: version}
}

func (s *server) apiGroups(w http.ResponseWriter, r *http.Request) error {
	list := &metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}, Groups: []metav1.APIGroup{}}
	for _, name := range groups() {
		list.Groups = append(list.Groups, apiGroup(name))
	}
	return s.sendJSON(w, r, http.StatusOK, list)
}

// groupRoutes are the paths that tell of a group.
func (s *server) groupRoutes() map[string]methods {
	routes := map[string]methods{}
	for _, name := range groups() {
		routes["/apis/"+name] = methods{http.MethodGet: func(w http.ResponseWriter, r *http.Request) error {
			group := apiGroup(name)
			group.TypeMeta = metav1.TypeMeta{Kind: "APIGroup", APIVersion: "v1"}
			return s.sendJSON(w, r, http.StatusOK, &group)
		}}
		routes["/apis/"+name+"/v1"] = methods{http.MethodGet: func(w http.ResponseWriter, r *http.Request) error {
			return s.sendJSON(w, r, http.StatusOK, &metav1.APIResourceList{
				TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: name + "/v1", APIResources: resourcesOf(name, nil),
			})
		}}
	}
	return routes
}

func (s *server) apiResources(w http.ResponseWriter, r *http.Request) error {
	return s.sendJSON(w, r, http.StatusOK, &metav1.APIResourceList{
		TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: "v1", APIResources: apiResources(),
	})
}

// apiResources is what /api/v1 offers, ordered by name. The verbs are those of the handlers; names and short names are the
// cluster's.
func apiResources() []metav1.APIResource {
	all := []metav1.APIResource{
		{
			Name: "events", SingularName: "event", Namespaced: true, Kind: "Event", ShortNames: []string{"ev"},
			Verbs: metav1.Verbs{"list", "watch"},
		},
		{Name: "pods/attach", Namespaced: true, Kind: "PodAttachOptions", Verbs: metav1.Verbs{"create", "get"}},
		{Name: "pods/exec", Namespaced: true, Kind: "PodExecOptions", Verbs: metav1.Verbs{"create", "get"}},
		{Name: "pods/portforward", Namespaced: true, Kind: "PodPortForwardOptions", Verbs: metav1.Verbs{"create", "get"}},
		{Name: "pods/log", Namespaced: true, Kind: "Pod", Verbs: metav1.Verbs{"get"}},
	}
	for _, part := range kube.Parts {
		all = append(all, metav1.APIResource{Name: "pods/" + part.Name, Namespaced: true, Kind: "Pod", Verbs: metav1.Verbs{"get", "patch", "update"}})
	}
	return resourcesOf("", all)
}

// resourcesOf adds the kinds of a group, ordered by name.
func resourcesOf(group string, all []metav1.APIResource) []metav1.APIResource {
	for _, r := range resources {
		if r.kind.Group != group {
			continue
		}
		all = append(all, metav1.APIResource{
			Name: r.kind.Resource, SingularName: strings.ToLower(r.kind.Name), Namespaced: !r.kind.Cluster, Kind: r.kind.Name,
			ShortNames: r.shortNames, Categories: r.categories,
			Verbs: metav1.Verbs{"create", "delete", "get", "list", "patch", "update", "watch"},
		})
		if kube.ScaleOf(r.kind.New()) != nil {
			all = append(all, metav1.APIResource{
				Name: r.kind.Resource + "/scale", Namespaced: true, Group: "autoscaling", Version: "v1", Kind: "Scale", Verbs: metav1.Verbs{"get", "patch", "update"},
			})
		}
	}
	slices.SortFunc(all, func(a, b metav1.APIResource) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// kubernetesVersion tells the version of the API whose shapes the node speaks, with peapod's own as build metadata
// (semver.org, item 10): clients compare the first and people see both.
func (s *server) kubernetesVersion(w http.ResponseWriter, r *http.Request) error {
	v := s.backend.Version()
	major, minor, _ := strings.Cut(strings.TrimPrefix(v.Kubernetes, "v"), ".")
	minor, _, _ = strings.Cut(minor, ".")
	return s.sendJSON(w, r, http.StatusOK, &apiversion.Info{
		Major:        major,
		Minor:        minor,
		GitVersion:   v.Kubernetes + "+peapod." + strings.TrimPrefix(v.Version, "v"),
		GitCommit:    v.GitCommit,
		GitTreeState: "clean",
		GoVersion:    v.GoVersion,
		Compiler:     runtime.Compiler,
		Platform:     v.Platform,
	})
}

func (s *server) health(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok")) // the client may be gone
	return nil
}
