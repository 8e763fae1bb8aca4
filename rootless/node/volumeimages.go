package node

import (
	"errors"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/image"
	"github.com/peapod/peapod/rootless/container"
	"github.com/peapod/peapod/rootless/lifecycle"
	"github.com/peapod/peapod/rootless/volume"
)

// fetch is the pull of an image for a volume. It goes on beside the mounting of the others.
type fetch struct {
	done bool
	id   string
	err  error
}

// mountImage mounts an image that is there, and fetches one that is not. Beside the mount a link remembers which image it is.
// Preconditions: volumes.mu is held.
func (p *pod) mountImage(object *corev1.Pod, v *corev1.Volume) error {
	at, source := p.place(v), v.Image
	if id, err := os.Readlink(at + ".image"); err == nil {
		return p.claim(volumeClaim(v.Name), id)
	}
	id, err := p.imageForVolume(object, v.Name, source)
	if err != nil {
		return err
	}
	img, err := p.node.images.Get(id)
	if err != nil {
		return err
	}
	if err := volume.Image(at, img.Lowers, container.ReadOnly); err != nil {
		return err
	}
	return os.Symlink(id, at+".image")
}

// volumeClaim is the name under which a volume claims its image. No container's name has a space.
func volumeClaim(name string) string { return "volume " + name }

// imageForVolume is the id of a volume's image, once it is there and claimed.
func (p *pod) imageForVolume(object *corev1.Pod, name string, source *corev1.ImageVolumeSource) (string, error) {
	if f := p.volumes.fetches[name]; f != nil {
		switch {
		case !f.done:
			return "", errComing
		case f.err != nil:
			delete(p.volumes.fetches, name) // the next attempt fetches again
		}
		return f.id, f.err
	}
	present, err := p.node.images.Get(source.Reference)
	switch {
	case err != nil && !errors.Is(err, image.ErrNotFound):
		return "", err
	case err == nil && source.PullPolicy != corev1.PullAlways && p.claim(volumeClaim(name), present.ID) == nil:
		return present.ID, nil
	case source.PullPolicy == corev1.PullNever:
		return "", fmt.Errorf("Container image %q is not present with pull policy of Never", source.Reference) //nolint:staticcheck // the kubelet's words
	}
	f := &fetch{}
	if p.volumes.fetches == nil {
		p.volumes.fetches = map[string]*fetch{}
	}
	p.volumes.fetches[name] = f
	p.do(func() lifecycle.Event { return p.fetchImage(object, name, source, f) })
	return "", errComing
}

// fetchImage pulls an image for a volume.
func (p *pod) fetchImage(object *corev1.Pod, name string, source *corev1.ImageVolumeSource, f *fetch) lifecycle.Event {
	emit := func(kind, reason, format string, args ...any) {
		p.node.events.record(object, lifecycle.Emit{Type: kind, Reason: reason, Message: fmt.Sprintf(format, args...)})
	}
	emit(corev1.EventTypeNormal, "Pulling", "Pulling image %q", source.Reference)
	credentials, err := p.pullCredentials(object)
	var pulled *image.Image
	if err == nil {
		pulled, err = p.node.pull(p.node.ctx, source.Reference, image.PullOptions{Credentials: credentials})
	}
	if err == nil {
		err = p.claim(volumeClaim(name), pulled.ID)
	}
	p.volumes.mu.Lock()
	defer p.volumes.mu.Unlock()
	if f.done = true; err != nil {
		f.err = err
		emit(corev1.EventTypeWarning, "Failed", "Failed to pull image %q: %s", source.Reference, err)
		return lifecycle.VolumeSourceChanged{}
	}
	f.id = pulled.ID
	emit(corev1.EventTypeNormal, "Pulled", "Successfully pulled image %q. Image size: %d bytes.", source.Reference, pulled.Size)
	return lifecycle.VolumeSourceChanged{}
}
