package lifecycle

import (
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// The resources of a container that runs may change (kube.Parts, resize). Each instance remembers what it was given; where that is not what the
// spec says, the node is asked to give it that, or the container is restarted if its resizePolicy says so.

type (
	// ContainerResized answers ResizeContainer.
	ContainerResized struct {
		Container string
		Attempt   int32
		Err       string // why it has what it had; empty if it has what was asked for
	}
	// ResizeContainer asks for the instance, and the Pod that it is in, to be given the resources of the spec. Answer: ContainerResized.
	ResizeContainer struct {
		Container string
		Attempt   int32
		ID        string
	}
)

func (ContainerResized) event() {}
func (ResizeContainer) action() {}

// given are the resources of an instance: its own, and those of its Pod as a whole. It is kept as JSON, which can be compared.
type given struct {
	Own corev1.ResourceRequirements  `json:"own"`
	Pod *corev1.ResourceRequirements `json:"pod,omitempty"`
}

// Resize is about a change of resources that is under way.
type Resize struct {
	Asked   string    // what ResizeContainer was asked for and is not answered; none after Adopted
	Error   string    // why the last one came to nothing
	RetryAt time.Time // when to ask again after that
}

// toGive is what the spec gives to an instance; "" if that is nothing in particular.
func (p *Pod) toGive(c *Container) string {
	g := given{p.spec(c).Resources, p.Object.Spec.Resources}
	if len(g.Own.Limits)+len(g.Own.Requests) == 0 && g.Pod == nil {
		return ""
	}
	text, err := json.Marshal(g)
	if err != nil {
		panic(fmt.Sprintf("lifecycle: bug: resources: %v", err))
	}
	return string(text)
}

// ownResources are those of an instance, as it has them.
func (i *Instance) ownResources() *corev1.ResourceRequirements {
	var g given
	if i.Given == "" || json.Unmarshal([]byte(i.Given), &g) != nil {
		return nil
	}
	return &g.Own
}

// resize gives a running container what the spec says, or has it restarted for that.
func (s *step) resize(c *Container) {
	want := s.toGive(c)
	switch {
	case c.Now.Given == want, c.Kill != "", c.Resize.Asked != "", !s.due(c.Resize.RetryAt):
	case s.resizesByRestart(c):
		c.Replace, c.Kill = true, "Container "+c.Name+" resize requires restart"
	default:
		c.Resize = Resize{Asked: want}
		s.do(ResizeContainer{Container: c.Name, Attempt: c.Now.Attempt, ID: c.Now.ID})
	}
}

// resizesByRestart says whether what changes is of a kind that the container is restarted for.
func (s *step) resizesByRestart(c *Container) bool {
	before, after := c.Now.ownResources(), &s.spec(c).Resources
	if before == nil {
		before = &corev1.ResourceRequirements{}
	}
	for _, policy := range s.spec(c).ResizePolicy {
		name := policy.ResourceName
		same := equality.Semantic.DeepEqual(before.Limits[name], after.Limits[name]) && equality.Semantic.DeepEqual(before.Requests[name], after.Requests[name])
		if policy.RestartPolicy == corev1.RestartContainer && !same {
			return true
		}
	}
	return false
}

// noteResizing follows a change of resources as a whole: from the moment at which a running container has other resources than the spec's to
// that at which all have them.
func (s *step) noteResizing() {
	open := false
	for i := range s.Containers {
		c := &s.Containers[i]
		open = open || c.running() && s.role(c) != ephemeral && c.Now.Given != s.toGive(c)
	}
	switch {
	case open && !s.Resizing:
		s.emit(corev1.EventTypeNormal, "ResizeStarted", "", "Pod resize started: %s", s.resources())
	case !open && s.Resizing:
		s.emit(corev1.EventTypeNormal, "ResizeCompleted", "", "Pod resize completed: %s", s.resources())
	}
	s.Resizing = open
}

// resources are those of all containers as the kubelet's events tell them (kubernetes/pkg/kubelet/events, resize.go).
func (p *Pod) resources() string {
	type container struct {
		Name      string                      `json:"name"`
		Resources corev1.ResourceRequirements `json:"resources"`
	}
	summary := struct {
		Init       []container `json:"initContainers,omitempty"`
		Containers []container `json:"containers,omitempty"`
		Generation int64       `json:"generation"`
	}{Generation: p.Object.Generation}
	for _, c := range p.Object.Spec.InitContainers {
		summary.Init = append(summary.Init, container{c.Name, c.Resources})
	}
	for _, c := range p.Object.Spec.Containers {
		summary.Containers = append(summary.Containers, container{c.Name, c.Resources})
	}
	text, err := json.Marshal(summary)
	if err != nil {
		panic(fmt.Sprintf("lifecycle: bug: resources: %v", err))
	}
	return string(text)
}

func (s *step) resized(e ContainerResized) {
	c := s.container(e.Container)
	if c == nil || !c.running() || c.Now.Attempt != e.Attempt || c.Resize.Asked == "" {
		return
	}
	if e.Err != "" {
		c.Resize = Resize{Error: e.Err, RetryAt: s.now.Add(retryDelay)}
		return
	}
	c.Now.Given, c.Resize = c.Resize.Asked, Resize{}
}

// resizing is the condition of a Pod whose resources are being changed.
func (p *Pod) resizing() corev1.PodCondition {
	condition := corev1.PodCondition{Type: corev1.PodResizeInProgress, Status: corev1.ConditionTrue}
	for i := range p.Containers {
		if text := p.Containers[i].Resize.Error; text != "" && condition.Reason == "" {
			condition.Reason, condition.Message = corev1.PodReasonError, text
		}
	}
	return condition
}

// tellResources puts into a container's status what it is to have and what it has.
func (p *Pod) tellResources(c *Container, status *corev1.ContainerStatus) {
	wanted := p.spec(c).Resources
	if len(wanted.Limits)+len(wanted.Requests) == 0 {
		return
	}
	status.AllocatedResources = wanted.Requests
	status.Resources = &corev1.ResourceRequirements{Limits: wanted.Limits, Requests: wanted.Requests}
	if c.running() {
		if has := c.Now.ownResources(); has != nil {
			status.Resources = has
		}
	}
}
