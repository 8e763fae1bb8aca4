package node

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/container"
)

// handler is the runtime that runs a Pod's containers, empty for peapod's own: what the Pod names, else what the node was told. Names of
// classes are those of runtimes here: there are no RuntimeClass objects between them.
func (n *Node) handler(pod *corev1.Pod) (string, error) {
	if class := pod.Spec.RuntimeClassName; class != nil {
		return checkHandler(*class)
	}
	return checkHandler(n.options.Runtime)
}

func checkHandler(name string) (string, error) {
	if name == "" || name == container.OwnHandler {
		return "", nil
	}
	return name, container.CheckHandler(name)
}
