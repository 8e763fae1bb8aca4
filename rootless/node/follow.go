package node

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/lifecycle"
)

// followSources tells Pods of changes to the objects that their volumes are made of, until the node ends. after is the version of the last change
// that they know, and known are the Pods of then.
func (n *Node) followSources(known []kube.Object, after uint64) {
	defer n.loops.Done()
	shown := map[types.UID]*corev1.Pod{} // as its volumes show it
	for _, o := range known {
		shown[o.GetUID()] = o.(*corev1.Pod)
	}
	for {
		changes, next, ok := n.registry.since(after)
		if !ok { // it was too fast: anything may have changed
			_, now := n.registry.list(kube.Pods, "")
			after = version(now)
			n.refreshVolumes(func(*corev1.Pod) bool { return true })
			continue
		}
		for _, c := range changes {
			after = c.version
			n.followChange(c, shown)
		}
		select {
		case <-next:
		case <-n.stopping:
			return
		}
	}
}

func (n *Node) followChange(c change, shown map[types.UID]*corev1.Pod) {
	pod, isPod := c.object.(*corev1.Pod)
	switch {
	case isPod && c.event == watch.Deleted:
		delete(shown, pod.UID)
	case isPod: // of what they show only labels, annotations and resources can change
		before := shown[pod.UID]
		shown[pod.UID] = pod
		same := before == nil || before.Generation == pod.Generation && maps.Equal(before.Labels, pod.Labels) && maps.Equal(before.Annotations, pod.Annotations)
		if !same {
			n.refreshVolumes(func(other *corev1.Pod) bool { return other.UID == pod.UID && showsFields(other) })
		}
	case c.event == watch.Deleted && c.kind != kube.Claims: // files of an object that is gone stay, as in a cluster; a claim may have been in the way
	default:
		n.refreshVolumes(func(pod *corev1.Pod) bool {
			return pod.Namespace == c.object.GetNamespace() && showsObject(pod, c.kind, c.object.GetName())
		})
	}
}

// refreshVolumes brings the volumes of those Pods up to date.
func (n *Node) refreshVolumes(of func(*corev1.Pod) bool) {
	for _, object := range n.registry.pods() {
		if p := n.find(object); p != nil && len(object.Spec.Volumes) > 0 && of(object) {
			p.do(func() lifecycle.Event { return p.refreshVolumes() })
		}
	}
}

// showsFields tells whether a Pod has a volume of its own fields.
func showsFields(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		return v.DownwardAPI != nil || v.Projected != nil && slices.ContainsFunc(v.Projected.Sources, func(s corev1.VolumeProjection) bool { return s.DownwardAPI != nil })
	})
}

// showsObject tells whether a volume of a Pod is made of an object of its namespace.
func showsObject(pod *corev1.Pod, kind *kube.Kind, name string) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		switch {
		case v.ConfigMap != nil:
			return kind == kube.ConfigMaps && v.ConfigMap.Name == name
		case v.Secret != nil:
			return kind == kube.Secrets && v.Secret.SecretName == name
		case v.PersistentVolumeClaim != nil, v.Ephemeral != nil:
			return kind == kube.Claims && kube.ClaimOf(pod.Name, &v).ClaimName == name
		case v.Projected == nil:
			return false
		}
		return slices.ContainsFunc(v.Projected.Sources, func(s corev1.VolumeProjection) bool {
			return kind == kube.ConfigMaps && s.ConfigMap != nil && s.ConfigMap.Name == name || kind == kube.Secrets && s.Secret != nil && s.Secret.Name == name
		})
	})
}
