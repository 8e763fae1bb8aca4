package node

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/image"
	"github.com/peapod/peapod/rootless/container"
	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/lifecycle"
)

// startContainer answers lifecycle.StartContainer.
func (p *pod) startContainer(object *corev1.Pod, ips []string, a lifecycle.StartContainer) lifecycle.Event {
	failed := func(id, reason string, err error) lifecycle.Event {
		return lifecycle.StartFailed{Container: a.Container, Attempt: a.Attempt, ID: id, Reason: reason, Err: err.Error()}
	}
	c := kube.FindContainer(object, a.Container)
	img, err := p.node.images.Get(a.ImageID)
	if err != nil {
		return failed("", lifecycle.CreateContainerError, err)
	}
	sandbox := p.crew.getSandbox()
	if sandbox == nil {
		return failed("", lifecycle.CreateContainerError, errors.New("the sandbox is gone"))
	}
	pidfd, err := sandbox.Open()
	if err != nil {
		return failed("", lifecycle.CreateContainerError, fmt.Errorf("open the sandbox: %w", err))
	}
	defer pidfd.Close()
	handler, err := p.node.handler(object)
	if err != nil {
		return failed("", lifecycle.CreateContainerError, err)
	}
	target, err := p.openTarget(object, c.Name)
	if err != nil {
		return failed("", lifecycle.CreateContainerConfigError, err)
	}
	defer target.close()
	id := newID()
	root, err := p.node.runtime.Mount(id, img.Lowers)
	if err != nil {
		return failed("", lifecycle.CreateContainerError, err)
	}
	defer root.File.Close()
	spec, volumes, err := p.specification(object, c, ips, img, root, joins{sandbox.Process.Pid, target.pid})
	if err != nil {
		p.discard(id)
		return failed("", lifecycle.CreateContainerConfigError, err)
	}
	defer closeAll(volumes)
	group, err := p.makeGroup(id, object, c)
	if err != nil {
		p.discard(id)
		return failed("", lifecycle.CreateContainerError, err)
	}
	if group != nil {
		defer group.Close()
	}
	owner := container.Owner{PodUID: string(p.uid), Name: a.Container, Attempt: a.Attempt, ImageID: a.ImageID, Cgroup: groupPath(group), Handler: handler}
	started, streams, err := p.node.runtime.Start(id, spec, container.Sources{
		Owner: owner, Sandbox: pidfd, Target: target.pidfd, Root: root, Cgroup: group, Stdin: c.Stdin, Keep: p.keeper(sandbox, id), Volumes: volumes,
	})
	if err != nil {
		p.drop(id, "")
		p.removeGroup(owner)
		p.discard(id)
		return failed(id, lifecycle.RunContainerError, err)
	}
	answer := lifecycle.ContainerStarted{Container: a.Container, Attempt: a.Attempt, ID: id, ImageID: a.ImageID}
	process, err := started.Process.Open() // a child cannot be gone before it is waited for
	if err != nil {
		streams.Close()
	} else {
		err = p.watchInstance(started, streams, process, answer)
	}
	if err != nil {
		p.endUnwatched(started)
		p.discard(id)
		return failed(id, lifecycle.RunContainerError, err)
	}
	return nil
}

// endUnwatched is what watchInstance does when a container ends, for one that it could not take.
func (p *pod) endUnwatched(c *container.Container) {
	p.node.end(c)
	p.endGroup(c.Owner)
	p.drop(c.ID, "")
	p.removeGroup(c.Owner)
}

func (p *pod) discard(id string) {
	if err := p.node.runtime.Remove(id); err != nil {
		p.log.Error("remove a container's files", "id", id, "error", err)
	}
}

// joins are the processes whose namespaces a container joins; no target: 0.
type joins struct{ pause, target int }

// specification is the container's OCI specification, with the volumes that it mounts, which the caller closes.
func (p *pod) specification(object *corev1.Pod, c *corev1.Container, ips []string, img *image.Image, root *container.Root, of joins) (spec *specs.Spec, volumes map[string]*os.File, err error) {
	env, err := kube.Environment(object, c, p.sources(object, ips))
	if err != nil {
		return nil, nil, err
	}
	mounts, volumes, err := p.volumeParts(object, c, env)
	if err != nil {
		return nil, nil, err
	}
	if spec, err = p.specificationWith(object, c, env, mounts, img, root, of); err != nil {
		closeAll(volumes)
	}
	return spec, volumes, err
}

func (p *pod) specificationWith(object *corev1.Pod, c *corev1.Container, env []string, mounts []container.VolumeMount, img *image.Image, root *container.Root, of joins) (*specs.Spec, error) {
	user, err := container.ResolveUser(root.File, img.Config.User, object, c)
	if err != nil {
		return nil, err
	}
	single := p.node.maps.Single()
	if err := p.node.maps.Contain(user.UID, user.GID); err != nil && !single {
		return nil, err
	}
	command, args := kube.Command(c, env)
	rules, err := p.node.runtime.Seccomp(container.SeccompProfile(object, c), container.Granted(c))
	if err != nil {
		return nil, err
	}
	score, err := oomScore(object, c)
	if err != nil {
		return nil, err
	}
	var devices []specs.LinuxDevice
	if s := c.SecurityContext; s != nil && s.Privileged != nil && *s.Privileged {
		if devices, err = container.Devices(); err != nil {
			return nil, err
		}
	}
	names, err := p.node.names(object)
	if err != nil {
		return nil, err
	}
	files := podFilesFor(p.node.paths, object)
	if single && user.UID == 0 && container.HasApt(root.File) {
		files.Apt = p.node.paths.PodApt(object.UID)
	}
	message, err := p.makeMessage(root.ID)
	if err != nil {
		return nil, err
	}
	return container.Spec(container.Config{
		Pod: object, Container: c, Image: img.Config, Command: command, Args: args, Env: env,
		Hostname: names.Kernel, User: user, PausePid: of.pause, TargetPid: of.target, Seccomp: rules, Cgroup: true, Single: single, Devices: devices, OOMScoreAdj: score, Volumes: mounts,
		MaxProcesses: p.node.maxProcesses(),
		RootPath:     p.node.runtime.RootPath(root.ID),
		Files:        files, Message: message,
	})
}

// drainTime is how long the log of a container that has ended may go on: a process elsewhere may hold its stdout.
const drainTime = time.Second

// watchInstance keeps hold of a container: it posts the given events, copies its output and posts its end. An end that were posted
// before its beginning would be lost. The streams and the pidfd become its own; without a pidfd the container has ended, nobody
// knows how, and what is left is its output.
func (p *pod) watchInstance(c *container.Container, streams container.Streams, pidfd *os.File, before ...lifecycle.Event) error {
	copying, err := p.copyLog(p.logPath(c), c.ID, streams)
	if err != nil {
		streams.Close()
		if pidfd != nil {
			pidfd.Close()
		}
		return err
	}
	i := &instance{
		Container: c, imageID: c.Owner.ImageID, logPath: p.logPath(c), done: make(chan struct{}),
		tap: copying.tap, streams: streams, endInput: sync.OnceFunc(func() { p.endInput(c.ID, streams) }),
	}
	p.crew.add(i)
	p.post(before...)
	go func() {
		exit := container.UnknownExit()
		if pidfd != nil {
			exit = container.Wait(c.Process, pidfd)
		}
		oomKilled := p.endGroup(c.Owner)
		if err := p.node.runtime.KillRemains(c); err != nil {
			p.log.Error("kill what is left of a container", "container", c.Owner.Name, "error", err)
		}
		copying.release()
		select {
		case <-copying.done:
		case <-time.After(drainTime):
		}
		streams.Close()
		<-copying.done
		p.drop(c.ID, "")
		i.ended()
		p.removeGroup(c.Owner)
		end := p.exited(c, exit)
		end.OOMKilled = oomKilled
		p.post(end)
	}()
	return nil
}

// endInput lets a container read the end of its input: now, and for later nodes.
func (p *pod) endInput(id string, streams container.Streams) {
	p.drop(id, "stdin")
	if streams.Stdin != nil {
		streams.Stdin.Close()
	}
}

func (p *pod) exited(c *container.Container, exit container.Exit) lifecycle.ContainerExited {
	return lifecycle.ContainerExited{
		Container: c.Owner.Name, Attempt: c.Owner.Attempt, ExitCode: int32(exit.Code), Signal: int32(exit.Signal), At: exit.At, Unknown: exit.Unknown,
		Message: p.lastWords(c, exit),
	}
}
