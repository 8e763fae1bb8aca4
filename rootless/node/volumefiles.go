package node

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/lifecycle"
	"github.com/peapod/peapod/rootless/volume"
)

// project makes a volume of files show its sources as they are now. Preconditions: volumes.mu is held.
func (p *pod) project(object *corev1.Pod, v *corev1.Volume, owner volume.Owner) error {
	from := p.sources(object, nil)
	files, err := volume.Project(&v.VolumeSource, volume.Sources{
		ConfigMap: from.ConfigMap, Secret: from.Secret,
		Field: func(path string) (string, error) { return kube.VolumeField(object, path) },
		Resource: func(ref *corev1.ResourceFieldSelector) (string, error) {
			return kube.ResourceValue(object, &corev1.Container{}, ref, from.Node)
		},
	})
	if err != nil {
		return err
	}
	if err := p.settleUsers(files); err != nil {
		return err
	}
	projection := volume.Projection{Place: p.place(v), Files: files, Folders: kube.NestedMounts(object, v.Name)}
	if owner.Group != nil {
		projection.Own = func() error { return volume.SetGroup(projection.Place, *owner.Group, true, corev1.FSGroupChangeAlways) }
	}
	return projection.Write(time.Now())
}

// settleUsers looks whether the users of files exist. With a single id all files are its.
func (p *pod) settleUsers(files volume.Files) error {
	for name, f := range files {
		if f.User == nil {
			continue
		}
		if p.node.maps.Single() {
			f.User = nil
			files[name] = f
		} else if err := p.node.maps.Contain(uint32(*f.User), 0); err != nil {
			return err
		}
	}
	return nil
}

// refreshVolumes brings the Pod's volumes of files up to date, and lets those that wait for something try again.
func (p *pod) refreshVolumes() lifecycle.Event {
	p.volumes.mu.Lock()
	defer p.volumes.mu.Unlock()
	object, err := p.node.registry.pod(p.namespace, p.name)
	if err != nil || object.UID != p.uid || p.volumes.ended || !p.volumes.mounted {
		return lifecycle.VolumeSourceChanged{}
	}
	owner, err := p.volumeOwner(object)
	for i := range object.Spec.Volumes {
		v := &object.Spec.Volumes[i]
		if err == nil && volume.IsProjection(&v.VolumeSource) {
			if failed := p.project(object, v, owner); failed != nil {
				p.node.events.record(object, lifecycle.FailedMount(lifecycle.VolumeFailure{Volume: v.Name, Err: failed.Error()}))
			}
		}
	}
	return lifecycle.VolumeSourceChanged{}
}
