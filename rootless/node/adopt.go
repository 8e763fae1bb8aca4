package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/peapod/peapod/rootless/container"
	"github.com/peapod/peapod/rootless/lifecycle"
	"github.com/peapod/peapod/rootless/sandbox"
	"github.com/peapod/peapod/rootless/state"
)

// adopt takes over what an earlier node left: it makes a loop for each stored Pod with the facts that were saved and the
// difference to what is there now, removes what belongs to no Pod, and only then lets the loops go, as a new Pod must not get
// an address that another one has.
func (n *Node) adopt() error {
	found, err := n.findContainers()
	if err != nil {
		return err
	}
	var adopted []*pod
	for _, object := range n.registry.pods() {
		p, err := n.adoptPod(object, found[string(object.UID)])
		if err != nil {
			return fmt.Errorf("adopt pod %s: %w", key(object.Namespace, object.Name), err)
		}
		adopted = append(adopted, p)
		delete(found, string(object.UID))
	}
	for _, orphans := range found {
		for _, c := range orphans {
			n.removeOrphan(c)
		}
	}
	n.removeStrangers(adopted)
	if err := n.removeStrayPods(n.registry.pods()); err != nil {
		return err
	}
	if err := n.releaseClaims(); err != nil {
		n.log.Error("delete claims that nothing uses any more", "error", err)
	}
	for _, p := range adopted {
		p.publish() // the database may have an older status than the facts
		n.run(p)
	}
	return nil
}

// removeStrangers kills processes in the Pods' namespaces that no container accounts for: of a container whose node died after it had
// started it and before that was noted.
func (n *Node) removeStrangers(pods []*pod) {
	known := map[string]bool{} // pid namespaces of containers
	pauses := map[string]bool{}
	for _, p := range pods {
		s := p.crew.getSandbox()
		if s == nil {
			continue
		}
		pauses[namespaceOf(s.Process.Pid, "user")] = true
		known[namespaceOf(s.Process.Pid, "pid")] = true
		for _, i := range p.crew.all() {
			known[namespaceOf(n.runtime.FirstPid(i.Container), "pid")] = true
		}
	}
	delete(pauses, "")
	delete(known, "")
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || !pauses[namespaceOf(pid, "user")] || belongs(pid, known) {
			continue
		}
		n.log.Warn("kill a process that belongs to no container", "pid", pid)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// belongs tells whether a process is in one of some pid namespaces, or in one that was made in one of them. That one was made in the node's own says nothing:
// all were.
func belongs(pid int, known map[string]bool) bool {
	own := namespaceOf(os.Getpid(), "pid")
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/pid", pid))
	if err != nil {
		return true // it has ended
	}
	for depth := 0; err == nil; depth++ {
		name, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", ns.Fd())) // never fails
		if known[name] {
			ns.Close()
			return depth == 0 || name != own
		}
		var parent int
		parent, err = unix.IoctlRetInt(int(ns.Fd()), unix.NS_GET_PARENT) // EPERM beyond the node's own (ioctl_ns(2))
		ns.Close()
		ns = os.NewFile(uintptr(parent), "pid")
	}
	return false
}

// namespaceOf names a namespace of a process; "" if it is gone or not to be seen.
func namespaceOf(pid int, kind string) string {
	name, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
	return name
}

// findContainers reads what the runtime noted of containers, by the uid of their Pod. A bundle without such a note is one whose start
// was never finished.
func (n *Node) findContainers() (map[string][]*container.Container, error) {
	entries, err := os.ReadDir(n.paths.ContainersRun())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	found := map[string][]*container.Container{}
	for _, e := range entries {
		c, _, err := n.runtime.Load(e.Name())
		if err != nil {
			n.log.Warn("remove a container whose start was not finished", "id", e.Name(), "error", err)
			n.removeOrphan(&container.Container{ID: e.Name()})
			continue
		}
		found[c.Owner.PodUID] = append(found[c.Owner.PodUID], c)
	}
	return found, nil
}

// end kills a container that nobody can look after, and waits for its end.
func (n *Node) end(c *container.Container) {
	if pidfd, err := c.Process.Open(); err == nil {
		_ = c.Signal(syscall.SIGKILL)
		container.Wait(c.Process, pidfd)
	}
	if err := n.runtime.KillRemains(c); err != nil {
		n.log.Error("kill what is left of a container", "id", c.ID, "error", err)
	}
}

// removeOrphan removes a container that no Pod knows.
func (n *Node) removeOrphan(c *container.Container) {
	n.end(c)
	if err := n.runtime.Remove(c.ID); err != nil {
		n.log.Error("remove a container's files", "id", c.ID, "error", err)
	}
}

// removeStrayPods removes what an earlier node left of Pods that are no more: it may have died between forgetting one and removing its files.
func (n *Node) removeStrayPods(objects []*corev1.Pod) error {
	entries, err := os.ReadDir(n.paths.PodsRun())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	known := map[string]bool{}
	for _, object := range objects {
		known[string(object.UID)] = true
	}
	for _, e := range entries {
		if known[e.Name()] {
			continue
		}
		uid := types.UID(e.Name())
		s, err := sandbox.Load(n.paths, uid)
		if err == nil && s != nil {
			err = s.Stop(n.paths, uid)
		}
		err = errors.Join(err, sandbox.Clean(n.paths, uid), n.removeVolumes(uid))
		if err != nil {
			n.log.Error("remove what is left of a Pod", "uid", uid, "error", err)
		}
	}
	if err := n.removeStrayVolumes(known); err != nil {
		n.log.Error("remove volumes of Pods that are no more", "error", err)
	}
	if err := n.removeStrayLogs(known); err != nil {
		n.log.Error("remove logs of Pods that are no more", "error", err)
	}
	for _, id := range n.hub.Attached() {
		if !known[id] {
			if err := n.hub.Detach(id); err != nil {
				n.log.Error("detach from the network", "uid", id, "error", err)
			}
		}
	}
	return nil
}

// removeStrayLogs removes folders of logs, whose names end with the Pod's uid, after the last "_", which no name has.
func (n *Node) removeStrayLogs(known map[string]bool) error {
	entries, err := os.ReadDir(n.paths.Logs())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var errs []error
	for _, e := range entries {
		if uid := e.Name()[strings.LastIndexByte(e.Name(), '_')+1:]; !known[uid] {
			errs = append(errs, os.RemoveAll(filepath.Join(n.paths.Logs(), e.Name())))
		}
	}
	return errors.Join(errs...)
}

// adoptPod makes the loop of a stored Pod. containers are those that the runtime noted for it.
func (n *Node) adoptPod(object *corev1.Pod, containers []*container.Container) (*pod, error) {
	if err := os.MkdirAll(n.paths.PodRun(object.UID), 0o700); err != nil {
		return nil, err
	}
	facts := &lifecycle.Pod{}
	err := state.ReadFile(n.paths.PodFacts(object.UID), facts)
	fresh := errors.Is(err, os.ErrNotExist)
	if err != nil && !fresh {
		return nil, err
	}
	var p *pod
	if fresh { // the machine was started again, or the node died right after it stored the object
		p = n.newPod(object, lifecycle.New(object.DeepCopy(), time.Now()))
		p.post(lifecycle.Added{})
	} else {
		facts.Object = object.DeepCopy()
		p = n.newPod(object, facts)
		p.adoptSandbox(object)
		p.adoptContainers(containers)
		p.post(lifecycle.Adopted{})
	}
	if t := object.DeletionTimestamp; t != nil {
		p.post(deletion(object))
	}
	return p, nil
}

// adoptSandbox takes hold of the Pod's pause, or posts its loss.
func (p *pod) adoptSandbox(object *corev1.Pod) {
	if p.facts.Sandbox.Phase != lifecycle.HaveSandbox {
		// One that was being made or removed is made or removed anew.
		if s, err := sandbox.Load(p.node.paths, p.uid); err == nil && s != nil {
			p.crew.setSandbox(s)
			p.removeSandbox()
		}
		return
	}
	err := p.adoptRunningSandbox(object)
	if err != nil {
		p.log.Warn("the sandbox is lost", "error", err)
		p.post(lifecycle.SandboxLost{})
	}
}

func (p *pod) adoptRunningSandbox(object *corev1.Pod) error {
	s, err := sandbox.Load(p.node.paths, p.uid)
	if err != nil {
		return err
	}
	if s == nil {
		return errors.New("its pause has ended")
	}
	if err := p.adoptNetwork(object); err != nil {
		return err
	}
	if err := p.watchSandbox(s); err != nil {
		return err
	}
	p.republishPorts(object, s)
	return nil
}

// adoptContainers takes hold of the Pod's containers. The loop hears of those that it does not know to run, and of the end of
// those that it thinks run.
func (p *pod) adoptContainers(containers []*container.Container) {
	for _, c := range containers {
		if known := p.knows(c.ID); known != nil && !known.FinishedAt.IsZero() {
			p.crew.add(endedInstance(c, p.logPath(c)))
			p.drop(c.ID, "")
			continue
		}
		p.adoptContainer(c)
	}
	for i := range p.facts.Containers {
		c := &p.facts.Containers[i]
		if c.Now != nil && c.Now.FinishedAt.IsZero() && p.crew.get(c.Now.ID) == nil {
			p.post(lifecycle.ContainerExited{Container: c.Name, Attempt: c.Now.Attempt, At: time.Now(), Unknown: true})
		}
	}
}

// knows finds an instance among the facts.
func (p *pod) knows(id string) *lifecycle.Instance {
	for i := range p.facts.Containers {
		c := &p.facts.Containers[i]
		for _, known := range []*lifecycle.Instance{c.Now, c.Last} {
			if known != nil && known.ID == id {
				return known
			}
		}
	}
	return nil
}

func (p *pod) adoptContainer(c *container.Container) {
	started := lifecycle.ContainerStarted{Container: c.Owner.Name, Attempt: c.Owner.Attempt, ID: c.ID, ImageID: c.Owner.ImageID}
	if p.knows(c.ID) == nil {
		p.post(started)
	}
	streams, process, err := p.node.runtime.OpenStreams(c.ID, p.kept(c.ID))
	if err == nil && process == nil {
		if process, err = c.Process.Open(); errors.Is(err, unix.ESRCH) {
			process, err = nil, nil
		}
	}
	if err == nil {
		if lost := p.node.runtime.Adopt(c); process != nil && lost != nil {
			p.log.Warn("what a container leaves behind will not be found", "container", c.Owner.Name, "error", lost)
		}
		err = p.watchInstance(c, streams, process)
	}
	if err != nil {
		p.log.Error("adopt a container", "container", c.Owner.Name, "error", err)
		streams.Close()
		p.endUnwatched(c) // else it would run beside the next one
		p.crew.add(endedInstance(c, p.logPath(c)))
		p.post(p.exited(c, container.UnknownExit()))
	}
}

func (p *pod) logPath(c *container.Container) string {
	return p.node.paths.ContainerLog(p.namespace, p.name, p.uid, c.Owner.Name, c.Owner.Attempt)
}

// endedInstance stands for a container of which only files are left.
func endedInstance(c *container.Container, logPath string) *instance {
	i := &instance{Container: c, imageID: c.Owner.ImageID, logPath: logPath, done: make(chan struct{})}
	close(i.done)
	return i
}
