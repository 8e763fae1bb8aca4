package node

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/netstack"
	"github.com/peapod/peapod/netstack/publish"
	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/lifecycle"
	"github.com/peapod/peapod/rootless/sandbox"
)

// lowPort is in kube.Features.
func lowPort(number int) string {
	if number >= publish.FirstPort() {
		return ""
	}
	return publish.PrivilegedHint(number)
}

// publishPorts opens the ports of the host that a Pod asks for, before its containers start. removeSandbox gives them up.
func (p *pod) publishPorts(object *corev1.Pod) error {
	var ports []netstack.Port
	for _, port := range kube.HostPorts(object) {
		ports = append(ports, netstack.Port{
			Protocol: strings.ToLower(string(port.Protocol)), HostIP: port.IP, HostPort: port.Port, PodPort: port.Target,
		})
	}
	return p.node.hub.Publish(string(p.uid), ports)
}

// republishTime is the pause between attempts to get a port back that somebody took while no node ran.
const republishTime = 10 * time.Second

// republishPorts opens the ports of a Pod that an earlier node left. The Pod has run without them for a moment, so it goes on without
// them until they are free again.
func (p *pod) republishPorts(object *corev1.Pod, s *sandbox.Sandbox) {
	err := p.publishPorts(object)
	if p.crew.getSandbox() != s { // it was removed meanwhile
		p.node.hub.Unpublish(string(p.uid))
		return
	}
	if err == nil {
		return
	}
	p.log.Warn("open host ports again", "error", err)
	p.node.events.record(object, lifecycle.Emit{Type: corev1.EventTypeWarning, Reason: "FailedPublishPorts", Message: err.Error()})
	time.AfterFunc(republishTime, func() {
		if p.node.ctx.Err() == nil && p.crew.getSandbox() == s {
			p.republishPorts(object, s)
		}
	})
}
