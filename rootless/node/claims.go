package node

import corev1 "k8s.io/api/core/v1"

// bindClaim gives a claim what a provisioner would: a volume of its own, at once, as large as was asked for. Its folder is made when a Pod first
// uses it.
func bindClaim(c *corev1.PersistentVolumeClaim) {
	if c.Spec.VolumeName == "" {
		c.Spec.VolumeName = "pvc-" + string(c.UID)
	}
	c.Status = corev1.PersistentVolumeClaimStatus{
		Phase: corev1.ClaimBound, AccessModes: c.Spec.AccessModes,
		Capacity: corev1.ResourceList{corev1.ResourceStorage: c.Spec.Resources.Requests[corev1.ResourceStorage]},
	}
}
