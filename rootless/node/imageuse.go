package node

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/kube"

	"github.com/peapod/peapod/image"
)

// An image that a Pod uses, or is about to, must not be removed. It is in use
//
//   - while an object's container names it, running or not: from the apply on, thus before the pull, to the end;
//   - while an instance runs or ran from it, or the status says so: the name may have moved since;
//   - from the moment at which a Pod is told that it is there (a claim) until the container asks for another.
//
// The lock makes "is it there?" and the claim one step, and "is it used?" and the removal another.

// claim notes that a container is about to be made of an image. The error is image.ErrNotFound if that is gone by now.
func (p *pod) claim(container, id string) error {
	p.node.claiming.RLock()
	defer p.node.claiming.RUnlock()
	if _, err := p.node.images.Get(id); err != nil {
		return err
	}
	p.crew.claim(container, id)
	return nil
}

// guard is an image.Guard.
func (n *Node) guard(id string, remove func() error) error {
	n.claiming.Lock()
	defer n.claiming.Unlock()
	if users := n.usersOf(id); len(users) > 0 {
		return &image.InUse{Users: users}
	}
	return remove()
}

// usersOf names the Pods that use an image.
func (n *Node) usersOf(id string) []string {
	var users []string
	for _, object := range n.registry.pods() {
		p := n.find(object)
		if p != nil && p.crew.uses(id) || names(object, id, n.imageID) {
			users = append(users, fmt.Sprintf("Pod %s/%s", object.Namespace, object.Name))
		}
	}
	return users
}

// imageID is the id of the image that has a name now, or "".
func (n *Node) imageID(name string) string {
	named, err := n.images.Get(name)
	if err != nil {
		return ""
	}
	return named.ID
}

// names tells whether a Pod's status or one of its containers' names means an image.
func names(object *corev1.Pod, id string, idOf func(name string) string) bool {
	for i := range object.Spec.Volumes {
		if v := object.Spec.Volumes[i].Image; v != nil && idOf(v.Reference) == id {
			return true
		}
	}
	for _, status := range kube.Statuses(object) {
		if status.ImageID == id {
			return true
		}
	}
	for _, c := range kube.Containers(object) {
		if idOf(c.Image) == id {
			return true
		}
	}
	return false
}
