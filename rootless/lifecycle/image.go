package lifecycle

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// The reasons of a failed image, as the kubelet names them.
const (
	ErrImagePull      = "ErrImagePull"
	ErrImageNeverPull = "ErrImageNeverPull"
	InvalidImageName  = "InvalidImageName"
	ImageInspectError = "ImageInspectError"
	imagePullBackOff  = "ImagePullBackOff"
)

// haveImage says whether the image for the next start is there; if not, it asks for it when that is due.
func (s *step) haveImage(c *Container) bool {
	spec, image := s.spec(c), &c.Image
	if image.Name != spec.Image {
		*image = Image{} // the spec changed: an answer to the old question comes to nothing
	}
	switch image.Phase {
	case HaveImage:
		return true
	case FailedImage:
		if image.backsOff() && s.due(image.Backoff.Since.Add(errImageShown)) {
			image.Phase = BackingOff
			s.emit(corev1.EventTypeNormal, "BackOff", c.Name, "Back-off pulling image %q", image.Name)
			s.emit(corev1.EventTypeWarning, "Failed", c.Name, "Error: %s", imagePullBackOff)
		}
		if s.due(image.Backoff.Until) {
			s.pull(c, spec)
		}
	case BackingOff:
		if s.due(image.Backoff.Until) {
			s.pull(c, spec)
		}
	case NoImage:
		s.pull(c, spec)
	}
	return false
}

// backsOff says whether what failed was a pull. The kubelet looks for anything else again with every sync of the Pod.
func (i *Image) backsOff() bool {
	switch i.Reason {
	case ErrImageNeverPull, InvalidImageName, ImageInspectError:
		return false
	}
	return true
}

func (s *step) pull(c *Container, spec *corev1.Container) {
	c.Image.Phase, c.Image.Name = PullingImage, spec.Image
	if spec.ImagePullPolicy == corev1.PullAlways {
		s.emit(corev1.EventTypeNormal, "Pulling", c.Name, "Pulling image %q", spec.Image)
	}
	s.do(PullImage{Container: c.Name, Image: spec.Image, Policy: spec.ImagePullPolicy})
}

// pulling returns the container if it waits for that image.
func (s *step) pulling(name, image string) *Container {
	if c := s.container(name); c != nil && c.Image.Phase == PullingImage && c.Image.Name == image {
		return c
	}
	return nil
}

func (s *step) imageReady(e ImageReady) {
	c := s.pulling(e.Container, e.Image)
	if c == nil {
		return
	}
	c.Image.Phase, c.Image.ID, c.Image.Reason, c.Image.Error = HaveImage, e.ImageID, "", ""
	if e.Present {
		s.emit(corev1.EventTypeNormal, "Pulled", c.Name, "Container image %q already present on machine and can be accessed by the pod", e.Image)
		return
	}
	took := e.Took.Round(time.Millisecond)
	s.emit(corev1.EventTypeNormal, "Pulled", c.Name, "Successfully pulled image %q in %v (%v including waiting). Image size: %d bytes.",
		e.Image, took, took, e.Size)
}

func (s *step) imageFailed(e ImageFailed) {
	c := s.pulling(e.Container, e.Image)
	if c == nil {
		return
	}
	if e.Reason == "" {
		e.Reason = ErrImagePull
	}
	image := &c.Image
	image.Phase, image.Reason, image.Error = FailedImage, e.Reason, e.Err
	if image.backsOff() {
		image.Backoff.raise(s.now, s.now)
		image.Backoff.Until = s.now.Add(image.Backoff.Delay)
	} else {
		image.Backoff.Until = s.now.Add(retryDelay)
	}
	switch e.Reason {
	case ErrImageNeverPull:
		image.Error = fmt.Sprintf("Container image %q is not present with pull policy of Never", e.Image)
		s.emit(corev1.EventTypeWarning, ErrImageNeverPull, c.Name, "%s", image.Error)
	case InvalidImageName:
		image.Error = fmt.Sprintf("Failed to apply default image tag %q: %s", e.Image, e.Err)
		s.emit(corev1.EventTypeWarning, "InspectFailed", c.Name, "%s", image.Error)
	case ImageInspectError:
		image.Error = fmt.Sprintf("Failed to inspect image %q: %s", e.Image, e.Err)
		s.emit(corev1.EventTypeWarning, "InspectFailed", c.Name, "%s", image.Error)
	default:
		s.emit(corev1.EventTypeWarning, "Failed", c.Name, "Failed to pull image %q: %s", e.Image, e.Err)
	}
	s.emit(corev1.EventTypeWarning, "Failed", c.Name, "Error: %s", e.Reason)
}
