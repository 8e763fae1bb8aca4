package node

import (
	"context"
	"fmt"
	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/peapod/peapod/rootless/sandbox"
)

// DialPort is in api.Backend. As with the kubelet's runtimes the port is one of the Pod's loopback, whoever listens there.
func (n *Node) DialPort(ctx context.Context, namespace, name string, port uint16) (net.Conn, error) {
	object, err := n.registry.pod(namespace, name)
	if err != nil {
		return nil, err
	}
	if object.Status.Phase != corev1.PodRunning {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("unable to forward port because pod is not running. Current status=%v", object.Status.Phase))
	}
	var s *sandbox.Sandbox
	if p := n.find(object); p != nil {
		s = p.crew.getSandbox()
	}
	if s == nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("unable to forward port: pod %s has no sandbox", name))
	}
	if object.Spec.HostNetwork {
		return new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort("localhost", strconv.Itoa(int(port))))
	}
	netns, err := s.NetworkNamespace()
	if err != nil {
		return nil, err
	}
	defer netns.Close()
	return n.hub.DialInside(ctx, netns, port)
}
