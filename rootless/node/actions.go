package node

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/image"
	"github.com/peapod/peapod/rootless/container"
	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/lifecycle"
	"github.com/peapod/peapod/rootless/logs"
	"github.com/peapod/peapod/rootless/sandbox"
)

// newID is an id as container runtimes have them: 64 hexadecimal digits.
func newID() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// createSandbox answers lifecycle.CreateSandbox.
func (p *pod) createSandbox(object *corev1.Pod) lifecycle.Event {
	ips, err := p.makeSandbox(object)
	if err != nil {
		return lifecycle.SandboxFailed{Err: err.Error()}
	}
	return lifecycle.SandboxReady{IPs: ips}
}

func (p *pod) makeSandbox(object *corev1.Pod) (ips []string, err error) {
	n := p.node
	if _, err := n.handler(object); err != nil {
		return nil, err
	}
	names, err := n.names(object)
	if err != nil {
		return nil, err
	}
	s, err := sandbox.Start(n.paths, newID(), sandbox.Config{
		UID: p.uid, Hostname: names.Kernel, Maps: n.maps, Sysctls: sysctls(object),
		ShareProcesses: object.Spec.ShareProcessNamespace != nil && *object.Spec.ShareProcessNamespace, Host: sandbox.HostNamespaces(&object.Spec),
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop(n.paths, p.uid), n.hub.Detach(string(p.uid)))
		}
	}()
	network, err := p.joinNetwork(object, s)
	if err != nil {
		return nil, err
	}
	if err := writePodFiles(n.paths, object, names, network, n.maps.Single()); err != nil {
		return nil, err
	}
	return addresses(network.IPs), p.watchSandbox(s)
}

// sysctls are what the Pod asks for, and what the kubelet's runtimes set by default: ports below 1024 need no capability inside a Pod.
func sysctls(object *corev1.Pod) map[string]string {
	values := map[string]string{}
	if !object.Spec.HostNetwork {
		values["net.ipv4.ip_unprivileged_port_start"] = "0"
	}
	if s := object.Spec.SecurityContext; s != nil {
		for _, sysctl := range s.Sysctls {
			values[kube.SysctlName(sysctl.Name)] = sysctl.Value
		}
	}
	return values
}

// watchSandbox keeps hold of a sandbox and posts its end.
func (p *pod) watchSandbox(s *sandbox.Sandbox) error {
	pidfd, err := s.Open()
	if err != nil {
		return fmt.Errorf("open the pause: %w", err)
	}
	p.crew.setSandbox(s)
	go func() {
		container.Wait(s.Process, pidfd)
		if p.crew.getSandbox() == s { // else it was removed on purpose
			p.post(lifecycle.SandboxLost{})
		}
	}()
	return nil
}

// removeSandbox answers lifecycle.RemoveSandbox. The Pod keeps its addresses, for another sandbox. It does what it can and reports trouble in the log: a Pod that cannot be
// removed would be worse than a file that is left.
func (p *pod) removeSandbox() lifecycle.Event {
	for _, i := range p.crew.all() {
		if err := i.Signal(syscall.SIGKILL); err != nil {
			p.log.Error("kill a container", "id", i.ID, "error", err)
		}
		<-i.done
	}
	s := p.crew.getSandbox()
	p.crew.setSandbox(nil)
	p.node.hub.Unpublish(string(p.uid))
	var err error
	if s != nil {
		err = s.Stop(p.node.paths, p.uid)
	} else { // its pause ended while no node ran: the next one would mount over what is left
		err = sandbox.Clean(p.node.paths, p.uid)
	}
	if err != nil {
		p.log.Error("stop the sandbox", "error", err)
	}
	return lifecycle.SandboxRemoved{}
}

// pullImage answers lifecycle.PullImage. An image in the store is for every Pod, whoever's credentials it came with: all of them are
// this user's.
func (p *pod) pullImage(object *corev1.Pod, a lifecycle.PullImage) lifecycle.Event {
	failed := func(reason string, err error) lifecycle.Event {
		return lifecycle.ImageFailed{Container: a.Container, Image: a.Image, Reason: reason, Err: err.Error()}
	}
	if _, err := image.ParseReference(a.Image); err != nil {
		return failed(lifecycle.InvalidImageName, err)
	}
	present, err := p.node.images.Get(a.Image)
	switch {
	case err != nil && !errors.Is(err, image.ErrNotFound):
		return failed(lifecycle.ImageInspectError, err)
	case err == nil && a.Policy != corev1.PullAlways && p.claim(a.Container, present.ID) == nil:
		return lifecycle.ImageReady{Container: a.Container, Image: a.Image, ImageID: present.ID, Present: true}
	case a.Policy == corev1.PullNever:
		return failed(lifecycle.ErrImageNeverPull, image.ErrNotFound)
	}
	p.post(lifecycle.ImagePulling{Container: a.Container, Image: a.Image})
	began := time.Now()
	credentials, err := p.pullCredentials(object)
	if err != nil {
		return failed(lifecycle.ErrImagePull, err)
	}
	pulled, err := p.node.pull(p.node.ctx, a.Image, image.PullOptions{Credentials: credentials})
	if err == nil {
		err = p.claim(a.Container, pulled.ID)
	}
	if err != nil {
		return failed(lifecycle.ErrImagePull, err)
	}
	return lifecycle.ImageReady{Container: a.Container, Image: a.Image, ImageID: pulled.ID, Took: time.Since(began), Size: pulled.Size}
}

// stopContainer begins what lifecycle.StopContainer asks for; the answer is the process's end.
func (p *pod) stopContainer(a lifecycle.StopContainer) {
	i := p.crew.get(a.ID)
	if i == nil {
		p.post(lifecycle.ContainerExited{Container: a.Container, Attempt: a.Attempt, At: time.Now(), Unknown: true})
		return
	}
	signal := p.stopSignal(i)
	if err := i.stop(signal, time.Duration(a.Grace)*time.Second); err != nil {
		p.log.Error("stop a container", "container", a.Container, "error", err)
	}
}

// stopSignal is the Pod's, else the image's, else SIGTERM. It is the loop's.
func (p *pod) stopSignal(i *instance) syscall.Signal {
	if c := kube.FindContainer(p.facts.Object, i.Owner.Name); c != nil && c.Lifecycle != nil && c.Lifecycle.StopSignal != nil {
		if s, ok := kube.ParseSignal(string(*c.Lifecycle.StopSignal)); ok {
			return s
		}
	}
	if img, err := p.node.images.Get(i.imageID); err == nil && img.Config.StopSignal != "" {
		if s, ok := kube.ParseSignal(img.Config.StopSignal); ok {
			return s
		}
	}
	return syscall.SIGTERM
}

// removeContainer does what lifecycle.RemoveContainer asks for.
func (p *pod) removeContainer(a lifecycle.RemoveContainer) {
	if a.ID == "" {
		return
	}
	i := p.crew.get(a.ID)
	if i != nil {
		<-i.done
	}
	if err := logs.Remove(p.node.paths.ContainerLog(p.namespace, p.name, p.uid, a.Container, a.Attempt)); err != nil {
		p.log.Error("remove a container's log", "id", a.ID, "error", err)
	}
	p.crew.remove(a.ID)
	if err := p.node.runtime.Remove(a.ID); err != nil {
		p.log.Error("remove a container's files", "id", a.ID, "error", err)
	}
}

// removeFiles removes what is left of a Pod: its addresses too.
func (p *pod) removeFiles() {
	for _, i := range p.crew.all() {
		if err := p.node.runtime.Remove(i.ID); err != nil {
			p.log.Error("remove a container's files", "id", i.ID, "error", err)
		}
	}
	// The kernel takes its time to delete a veth; nothing waits for it but the addresses.
	err := errors.Join(p.node.hub.Detach(string(p.uid)), sandbox.Clean(p.node.paths, p.uid), p.endVolumes(),
		os.RemoveAll(p.node.paths.PodLogs(p.namespace, p.name, p.uid)))
	if err != nil {
		p.log.Error("remove the Pod's files", "error", err)
	}
}

// prepareFiles makes the Pod's runtime directory, which the loop expects.
func (n *Node) prepareFiles(object *corev1.Pod) error {
	return os.MkdirAll(n.paths.PodRun(object.UID), 0o700)
}
