package node

import (
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/lifecycle"
	"github.com/peapod/peapod/rootless/state"
)

// pod is one Pod's loop and what it works with.
type pod struct {
	node            *Node
	namespace, name string
	uid             types.UID
	log             *slog.Logger
	mailbox         *mailbox
	crew            *crew
	volumes         volumes

	// Below: the loop's alone.
	facts   *lifecycle.Pod
	timer   *time.Timer
	probing probing
}

func (n *Node) newPod(object *corev1.Pod, facts *lifecycle.Pod) *pod {
	p := &pod{
		node: n, namespace: object.Namespace, name: object.Name, uid: object.UID,
		log:     n.log.With("pod", key(object.Namespace, object.Name)),
		mailbox: newMailbox(), crew: newCrew(), facts: facts, probing: probing{},
	}
	p.timer = time.AfterFunc(time.Hour, func() { p.post(lifecycle.Tick{}) })
	p.timer.Stop()
	return p
}

func (p *pod) post(events ...lifecycle.Event) { p.mailbox.post(events...) }

// loop handles events until the Pod is gone or the node ends.
func (p *pod) loop() {
	defer p.node.loops.Done()
	defer p.timer.Stop()
	defer p.stopProbing()
	defer p.watchSizes()()
	for {
		e, ok := p.mailbox.take(p.node.stopping)
		if !ok {
			return
		}
		actions := p.facts.Step(time.Now(), e)
		p.save()
		for _, a := range actions {
			p.perform(a)
		}
		if p.facts.Finished {
			return
		}
		p.publish()
		p.probe()
	}
}

// save writes the facts for the next node. A node that cannot is still of use, so it goes on.
func (p *pod) save() {
	if p.facts.Finished {
		return
	}
	if err := state.WriteFile(p.node.paths.PodFacts(p.uid), p.facts); err != nil {
		p.log.Error("save the facts", "error", err)
	}
}

func (p *pod) publish() {
	p.node.freeSoon()
	if err := p.node.registry.setStatus(p.namespace, p.name, p.facts.Status(p.node.info())); err != nil {
		p.log.Error("save the status", "error", err)
	}
}

// perform begins an action; its answer comes as an event.
func (p *pod) perform(a lifecycle.Action) {
	p.log.Debug("perform", "action", fmt.Sprintf("%T%+v", a, a))
	object := p.facts.Object
	switch a := a.(type) {
	case lifecycle.CreateSandbox:
		p.do(func() lifecycle.Event { return p.createSandbox(object) })
	case lifecycle.RemoveSandbox:
		p.do(func() lifecycle.Event { return p.removeSandbox() })
	case lifecycle.MountVolumes:
		p.do(func() lifecycle.Event { return p.mountVolumes(object) })
	case lifecycle.RemoveVolumes:
		p.do(func() lifecycle.Event { return p.dropVolumes() })
	case lifecycle.PullImage:
		p.do(func() lifecycle.Event { return p.pullImage(object, a) })
	case lifecycle.StartContainer:
		ips := p.facts.Sandbox.IPs
		p.do(func() lifecycle.Event { return p.startContainer(object, ips, a) })
	case lifecycle.ResizeContainer:
		p.do(func() lifecycle.Event { return p.resizeContainer(object, a) })
	case lifecycle.StopContainer:
		p.stopContainer(a)
	case lifecycle.RunHook:
		ips := p.facts.Sandbox.IPs
		p.do(func() lifecycle.Event { return p.runHook(object, ips, a) })
	case lifecycle.RemoveContainer:
		p.do(func() lifecycle.Event { p.removeContainer(a); return nil })
	case lifecycle.WakeAt:
		p.timer.Reset(time.Until(a.At))
	case lifecycle.Emit:
		p.node.events.record(object, a)
	case lifecycle.Finish:
		p.finish(object)
	}
}

// do runs work beside the loop and posts its answer, if there is one. The node waits for such work when it ends, so that no process is
// started whose id is noted nowhere.
func (p *pod) do(work func() lifecycle.Event) {
	p.node.work.Add(1)
	go func() {
		defer p.node.work.Done()
		if e := work(); e != nil {
			p.post(e)
		}
	}()
}

// finish forgets the Pod: the object is deleted, and every file but the image store's.
func (p *pod) finish(object *corev1.Pod) {
	p.node.forget(p)
	if err := p.node.registry.remove(kube.Pods, p.namespace, p.name); err != nil {
		p.log.Error("delete the object", "error", err)
	}
	p.node.events.forget(object)
	p.do(func() lifecycle.Event { p.removeFiles(); return nil })
	if err := p.node.releaseClaims(); err != nil {
		p.log.Error("delete a claim that nothing uses any more", "error", err)
	}
}
