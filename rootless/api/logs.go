package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

func (s *server) logs(w http.ResponseWriter, r *http.Request) error {
	options, err := logOptions(r.URL.Query())
	if err != nil {
		return err
	}
	namespace, name := r.PathValue("namespace"), r.PathValue("name")
	pod, err := getPod(s.backend, namespace, name)
	if err != nil {
		return err
	}
	if options.Container, err = containerOf(pod, options.Container); err != nil {
		return err
	}
	stream, err := s.backend.Logs(r.Context(), namespace, name, options)
	if err != nil {
		return err
	}
	defer stream.Close()
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(http.StatusOK)
	if err := copyFlushing(w, stream); err != nil && r.Context().Err() == nil {
		s.log.Warn("log stream", "path", r.URL.Path, "err", err)
	}
	return nil
}

// copyFlushing sends what has been read at once, and the header before anything has been.
func copyFlushing(w http.ResponseWriter, stream io.Reader) error {
	flush := http.NewResponseController(w).Flush
	buffer := make([]byte, 16<<10)
	for {
		if err := flush(); err != nil {
			return err
		}
		n, err := stream.Read(buffer)
		if _, err := w.Write(buffer[:n]); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// containerOf checks that the Pod has the container. Without a name it is the Pod's only one; where there are several the
// client has to choose, as in a cluster.
func containerOf(pod *corev1.Pod, name string) (string, error) {
	var main, initial []string
	for _, container := range pod.Spec.Containers {
		main = append(main, container.Name)
	}
	for _, container := range pod.Spec.InitContainers {
		initial = append(initial, container.Name)
	}
	all := append(append([]string{}, main...), initial...)
	for _, container := range pod.Spec.EphemeralContainers {
		all = append(all, container.Name)
	}
	if name == "" && len(main) == 1 {
		return main[0], nil
	}
	if name == "" {
		text := fmt.Sprintf("a container name must be specified for pod %s, choose one of: [%s]", pod.Name, strings.Join(main, " "))
		if len(initial) > 0 {
			text += fmt.Sprintf(" or one of the init containers: [%s]", strings.Join(initial, " "))
		}
		return "", apierrors.NewBadRequest(text)
	}
	for _, container := range all {
		if container == name {
			return name, nil
		}
	}
	return "", apierrors.NewBadRequest(fmt.Sprintf("container %s is not valid for pod %s", name, pod.Name))
}
