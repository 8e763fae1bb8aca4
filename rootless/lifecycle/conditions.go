package lifecycle

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// conditions are the Pod's conditions without their times, in the order in which a Pod gets through them.
func (p *Pod) conditions() []corev1.PodCondition {
	ready := p.containersReady()
	podReady := ready
	podReady.Type = corev1.PodReady
	sandbox := corev1.ConditionFalse
	if p.Sandbox.Phase == HaveSandbox {
		sandbox = corev1.ConditionTrue
	}
	conditions := []corev1.PodCondition{
		{Type: corev1.PodReadyToStartContainers, Status: sandbox},
		p.initialized(), podReady, ready,
		{Type: corev1.PodScheduled, Status: corev1.ConditionTrue},
	}
	if p.Resizing {
		conditions = append(conditions, p.resizing())
	}
	return conditions
}

// initialized follows the kubelet: once a regular container has been started, a Pod counts as initialized.
func (p *Pod) initialized() corev1.PodCondition {
	condition := corev1.PodCondition{Type: corev1.PodInitialized, Status: corev1.ConditionTrue}
	if p.phase() == corev1.PodSucceeded {
		condition.Reason = "PodCompleted"
		return condition
	}
	var incomplete []string
	for i := range p.Containers {
		switch c := &p.Containers[i]; p.role(c) {
		case initial:
			if !p.ready(c) {
				incomplete = append(incomplete, c.Name)
			}
		case sidecar:
			if !p.started(c) {
				incomplete = append(incomplete, c.Name)
			}
		case regular:
			if c.Now != nil {
				return condition
			}
		}
	}
	if len(incomplete) > 0 {
		condition.Status, condition.Reason = corev1.ConditionFalse, "ContainersNotInitialized"
		condition.Message = fmt.Sprintf("containers with incomplete status: [%s]", strings.Join(incomplete, " "))
	}
	return condition
}

func (p *Pod) containersReady() corev1.PodCondition {
	condition := corev1.PodCondition{Type: corev1.ContainersReady, Status: corev1.ConditionFalse}
	switch p.phase() {
	case corev1.PodSucceeded:
		condition.Reason = "PodCompleted"
		return condition
	case corev1.PodFailed:
		condition.Reason = "PodFailed"
		return condition
	}
	var unready []string
	for i := range p.Containers {
		c := &p.Containers[i]
		if r := p.role(c); (r == regular || r == sidecar) && !p.ready(c) {
			unready = append(unready, c.Name)
		}
	}
	if len(unready) == 0 {
		condition.Status = corev1.ConditionTrue
		return condition
	}
	condition.Reason = "ContainersNotReady"
	condition.Message = fmt.Sprintf("containers with unready status: [%s]", strings.Join(unready, " "))
	return condition
}

// noteConditions records which conditions have changed in this step.
func (p *Pod) noteConditions(now time.Time) {
	if !p.Resizing {
		p.Conditions = slices.DeleteFunc(p.Conditions, func(c Condition) bool { return c.Type == corev1.PodResizeInProgress })
	}
	for _, c := range p.conditions() {
		noted := p.noted(c.Type)
		if noted == nil {
			p.Conditions = append(p.Conditions, Condition{Type: c.Type, Status: c.Status, Since: now})
		} else if noted.Status != c.Status {
			noted.Status, noted.Since = c.Status, now
		}
	}
}

func (p *Pod) noted(t corev1.PodConditionType) *Condition {
	for i := range p.Conditions {
		if p.Conditions[i].Type == t {
			return &p.Conditions[i]
		}
	}
	return nil
}

func (p *Pod) since(t corev1.PodConditionType) time.Time {
	if noted := p.noted(t); noted != nil {
		return noted.Since
	}
	return p.StartTime
}
