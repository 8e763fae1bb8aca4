package api

import (
	"context"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/peapod/peapod/rootless/kube"
)

// attach answers …/attach. Whether there is a terminal is the container's business and not the client's, as with the kubelet.
func (s *server) attach(w http.ResponseWriter, r *http.Request) error {
	options, err := attachOptions(r.URL.Query())
	if err != nil {
		return err
	}
	pod, container, err := s.podFor(r, "attach to", options.Container)
	if err != nil {
		return err
	}
	want := wanted{stdin: options.Stdin, stdout: options.Stdout, stderr: options.Stderr}
	if c := kube.FindContainer(pod, container); c != nil {
		want.tty = c.TTY
	}
	s.stream(w, r, want, func(ctx context.Context, streams Streams) metav1.Status {
		return endStatus(0, s.backend.Attach(ctx, pod.Namespace, pod.Name, AttachRequest{Container: container, Streams: streams}))
	})
	return nil
}
