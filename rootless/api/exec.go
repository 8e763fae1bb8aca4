package api

import (
	"context"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func (s *server) exec(w http.ResponseWriter, r *http.Request) error {
	options, err := execOptions(r.URL.Query())
	if err != nil {
		return err
	}
	pod, container, err := s.podFor(r, "exec into", options.Container)
	if err != nil {
		return err
	}
	want := wanted{options.Stdin, options.Stdout, options.Stderr, options.TTY}
	s.stream(w, r, want, func(ctx context.Context, streams Streams) metav1.Status {
		request := ExecRequest{Container: container, Command: options.Command, Streams: streams}
		return endStatus(s.backend.Exec(ctx, pod.Namespace, pod.Name, request))
	})
	return nil
}
