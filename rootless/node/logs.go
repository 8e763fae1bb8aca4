package node

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/logs"
)

// Logs is in api.Backend.
func (n *Node) Logs(ctx context.Context, namespace, name string, options *corev1.PodLogOptions) (io.ReadCloser, error) {
	object, err := n.registry.pod(namespace, name)
	if err != nil {
		return nil, err
	}
	status, err := statusOf(object, &options.Container)
	if err != nil {
		return nil, err
	}
	id, attempt, err := logInstance(object, status, options)
	if err != nil {
		return nil, err
	}
	path := n.paths.ContainerLog(namespace, name, object.UID, options.Container, attempt)
	done := closedChannel
	if p := n.find(object); p != nil {
		if i := p.crew.get(id); i != nil {
			done = i.done
		}
	}
	o := logs.Options{Follow: options.Follow, Tail: options.TailLines, Timestamps: options.Timestamps, LimitBytes: options.LimitBytes}
	if options.Stream != nil && *options.Stream != corev1.LogStreamAll {
		o.Stream = strings.ToLower(*options.Stream)
	}
	switch {
	case options.SinceTime != nil:
		o.Since = options.SinceTime.Time
	case options.SinceSeconds != nil:
		o.Since = time.Now().Add(-time.Duration(*options.SinceSeconds) * time.Second)
	}
	reader, writer := io.Pipe()
	ctx, cancel := context.WithCancel(ctx)
	go func() { writer.CloseWithError(logs.Read(ctx, path, o, writer, done)) }()
	return &logStream{reader, cancel}, nil
}

var closedChannel = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// logStream stops the reading of a log when its reader has had enough.
type logStream struct {
	*io.PipeReader
	cancel context.CancelFunc
}

func (s *logStream) Close() error {
	s.cancel()
	return s.PipeReader.Close()
}

// defaultContainer is the annotation that names the container meant when none is named.
const defaultContainer = "kubectl.kubernetes.io/default-container"

// statusOf finds the status of a container; an empty name is set to the default's, the first where no annotation names one. The status is nil if the container has
// none yet.
func statusOf(object *corev1.Pod, name *string) (*corev1.ContainerStatus, error) {
	if *name == "" {
		*name = object.Annotations[defaultContainer]
	}
	if *name == "" {
		*name = object.Spec.Containers[0].Name
	}
	if kube.FindContainer(object, *name) == nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("container %s is not valid for pod %s", *name, object.Name))
	}
	for _, s := range kube.Statuses(object) {
		if s.Name == *name {
			return s, nil
		}
	}
	return nil, nil
}

// logInstance finds the id and the attempt whose log is asked for.
func logInstance(object *corev1.Pod, s *corev1.ContainerStatus, options *corev1.PodLogOptions) (id string, attempt int32, err error) {
	switch {
	case s == nil || s.ContainerID == "" && s.LastTerminationState.Terminated == nil:
		reason := "ContainerCreating"
		if s != nil && s.State.Waiting != nil {
			reason = s.State.Waiting.Reason
		}
		return "", 0, apierrors.NewBadRequest(fmt.Sprintf("container %q in pod %q is waiting to start: %s", options.Container, object.Name, reason))
	case options.Previous && s.LastTerminationState.Terminated == nil:
		return "", 0, apierrors.NewBadRequest(fmt.Sprintf("previous terminated container %q in pod %q not found", options.Container, object.Name))
	case options.Previous && s.State.Waiting == nil:
		return trimScheme(s.LastTerminationState.Terminated.ContainerID), s.RestartCount - 1, nil
	}
	return trimScheme(s.ContainerID), s.RestartCount, nil
}

// trimScheme is the id without the runtime's name.
func trimScheme(id string) string {
	_, bare, _ := strings.Cut(id, "://")
	return bare
}
