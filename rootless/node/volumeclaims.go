package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/volume"
)

// A claim's folder is there from the first Pod that uses it until the claim is deleted. A claim that a Pod uses is not deleted before the last
// such Pod is gone: until then it is Terminating, as in a cluster (pvc-protection), and no other Pod gets it.

// mountClaim makes the folder of a claim. What is in it is given to the Pod's group once: the folder of the Pod's mounts remembers that.
func (p *pod) mountClaim(object *corev1.Pod, v *corev1.Volume, owner volume.Owner) error {
	done := filepath.Join(p.node.paths.PodVolumes(p.uid), v.Name)
	if _, err := os.Lstat(done); err == nil {
		return nil
	}
	name := v.PersistentVolumeClaim.ClaimName
	claim, err := p.node.registry.get(kube.Claims, p.namespace, name)
	if err != nil {
		return fmt.Errorf("persistentvolumeclaim %q not found", name)
	}
	if claim.GetDeletionTimestamp() != nil {
		return fmt.Errorf("persistentvolumeclaim %q is being deleted", name)
	}
	at := p.place(v)
	if err := volume.EmptyDir(at, volume.Owner{}); err != nil {
		return err
	}
	if owner.Group != nil && !v.PersistentVolumeClaim.ReadOnly {
		policy := corev1.FSGroupChangeAlways
		if wanted := object.Spec.SecurityContext.FSGroupChangePolicy; wanted != nil {
			policy = *wanted
		}
		if err := volume.SetGroup(at, *owner.Group, false, policy); err != nil {
			return err
		}
	}
	return os.Mkdir(done, 0o755)
}

// deleteClaim deletes a claim, or notes that it is to be deleted when no Pod uses it any more. Preconditions: applying is held.
func (n *Node) deleteClaim(claim *corev1.PersistentVolumeClaim) (kube.Object, error) {
	if !n.usesClaim(claim.Namespace, claim.Name) {
		return claim.DeepCopy(), n.removeClaim(claim)
	}
	o, err := n.registry.update(kube.Claims, claim.Namespace, claim.Name, func(o kube.Object) {
		if o.GetDeletionTimestamp() == nil {
			now := metav1.Now()
			o.SetDeletionTimestamp(&now)
		}
	})
	if err != nil {
		return nil, err
	}
	return clone(o), nil
}

func (n *Node) usesClaim(namespace, name string) bool {
	for _, pod := range n.registry.pods() {
		if pod.Namespace == namespace && showsObject(pod, kube.Claims, name) {
			return true
		}
	}
	return false
}

// removeClaim deletes a claim with all that is in it.
func (n *Node) removeClaim(claim *corev1.PersistentVolumeClaim) error {
	at := n.paths.Claim(claim.Namespace, claim.Name)
	if err := os.RemoveAll(at); err != nil {
		return err
	}
	_ = os.Remove(filepath.Dir(at)) // if it was the namespace's last
	return n.registry.remove(kube.Claims, claim.Namespace, claim.Name)
}

// releaseClaims deletes claims that have waited for their last Pod to go.
func (n *Node) releaseClaims() error {
	n.applying.Lock()
	defer n.applying.Unlock()
	objects, _ := n.registry.list(kube.Claims, "")
	var errs []error
	for _, o := range objects {
		if o.GetDeletionTimestamp() != nil && !n.usesClaim(o.GetNamespace(), o.GetName()) {
			errs = append(errs, n.removeClaim(o.(*corev1.PersistentVolumeClaim)))
		}
	}
	return errors.Join(errs...)
}
