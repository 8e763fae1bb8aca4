package node

import (
	"cmp"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/image"
	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/lifecycle"
)

// pullSecrets are those that the Pod names, or else those of its service account, if there is one.
func (p *pod) pullSecrets(object *corev1.Pod) []corev1.LocalObjectReference {
	if len(object.Spec.ImagePullSecrets) > 0 {
		return object.Spec.ImagePullSecrets
	}
	o, err := p.node.registry.get(kube.ServiceAccounts, p.namespace, cmp.Or(object.Spec.ServiceAccountName, "default"))
	if err != nil {
		return nil // an account need not exist
	}
	return o.(*corev1.ServiceAccount).ImagePullSecrets
}

// pullCredentials looks up the Pod's imagePullSecrets as they are now, in the order of the spec: each pull does, so a changed
// Secret counts from the next one on. One that is missing is told in an event, in the kubelet's words, and is no error: the image
// may be to be had without. One that cannot be understood is.
func (p *pod) pullCredentials(object *corev1.Pod) ([]image.Credential, error) {
	var secrets []*corev1.Secret
	var missing []string
	for _, reference := range p.pullSecrets(object) {
		if reference.Name == "" { // allowed by the API, and means nothing
			continue
		}
		o, err := p.node.registry.get(kube.Secrets, p.namespace, reference.Name)
		if err != nil {
			missing = append(missing, reference.Name)
			continue
		}
		secrets = append(secrets, o.(*corev1.Secret))
	}
	if len(missing) > 0 {
		p.node.events.record(object, lifecycle.Emit{
			Type: corev1.EventTypeWarning, Reason: "FailedToRetrieveImagePullSecret",
			Message: fmt.Sprintf("Unable to retrieve some image pull secrets (%s); attempting to pull the image may not succeed.",
				strings.Join(missing, ", ")),
		})
	}
	found, err := kube.PullCredentials(secrets)
	if err != nil {
		return nil, err
	}
	credentials := make([]image.Credential, len(found))
	for i, c := range found {
		credentials[i] = image.Credential(c)
	}
	return credentials, nil
}
