package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/volume"
)

// A claim's folder is there from the first Pod that uses it until the claim is deleted. A claim that a Pod uses is not deleted before the last
// such Pod is gone: until then it is Terminating, as in a cluster (pvc-protection), and no other Pod gets it. That of an ephemeral volume belongs to
// its Pod and is collected after it (collect.go).

// mountClaim makes the folder of a claim. What is in it is given to the Pod's group once: the folder of the Pod's mounts remembers that.
func (p *pod) mountClaim(object *corev1.Pod, v *corev1.Volume, owner volume.Owner) error {
	done := filepath.Join(p.node.paths.PodVolumes(p.uid), v.Name)
	if _, err := os.Lstat(done); err == nil {
		return nil
	}
	if v.Ephemeral != nil {
		if err := p.makeClaim(object, v); err != nil {
			return err
		}
	}
	source := kube.ClaimOf(p.name, v)
	name := source.ClaimName
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
	if owner.Group != nil && !source.ReadOnly {
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

// makeClaim makes the claim of an ephemeral volume, unless it is there. One of that name that is somebody else's is not touched.
func (p *pod) makeClaim(object *corev1.Pod, v *corev1.Volume) error {
	p.node.applying.Lock()
	defer p.node.applying.Unlock()
	claim := kube.EphemeralClaim(object, v)
	present, err := p.node.registry.get(kube.Claims, claim.Namespace, claim.Name)
	switch {
	case err == nil && !metav1.IsControlledBy(present, object):
		return fmt.Errorf("PVC %s/%s was not created for pod %s/%s (pod is not owner)", claim.Namespace, claim.Name, object.Namespace, object.Name)
	case err == nil:
		return nil
	}
	p.node.complete(claim)
	if _, err := p.node.create(claim, false); err != nil {
		return fmt.Errorf("create PVC %s: %w", claim.Name, err)
	}
	return nil
}

// deleteClaim deletes a claim, or notes that it is to be deleted when no Pod uses it any more. Preconditions: applying is held.
func (n *Node) deleteClaim(claim *corev1.PersistentVolumeClaim) (kube.Object, error) {
	if !n.usesClaim(claim) {
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

// usesClaim tells whether a Pod has a claim. One that is only in the way of an ephemeral volume's is not used (pvc-protection).
func (n *Node) usesClaim(claim kube.Object) bool {
	return slices.ContainsFunc(n.registry.pods(), func(pod *corev1.Pod) bool {
		return pod.Namespace == claim.GetNamespace() && slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
			source := kube.ClaimOf(pod.Name, &v)
			return source != nil && source.ClaimName == claim.GetName() && (v.Ephemeral == nil || metav1.IsControlledBy(claim, pod))
		})
	})
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
		if o.GetDeletionTimestamp() != nil && !n.usesClaim(o) {
			errs = append(errs, n.removeClaim(o.(*corev1.PersistentVolumeClaim)))
		}
	}
	return errors.Join(errs...)
}
