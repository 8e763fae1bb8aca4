package api

import (
	"fmt"
	"net/url"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
)

// selection is the labelSelector and fieldSelector of a list or watch.
type selection struct {
	labels labels.Selector
	fields fields.Selector
}

// parseSelection reads both selectors from a query; supported are the field names that may be asked for. An unknown name or a
// selector that cannot be read is a BadRequest.
func parseSelection(values url.Values, supported fields.Set) (selection, error) {
	byLabel, err := labels.Parse(values.Get("labelSelector"))
	if err != nil {
		return selection{}, apierrors.NewBadRequest(err.Error())
	}
	byField, err := fields.ParseSelector(values.Get("fieldSelector"))
	if err != nil {
		return selection{}, apierrors.NewBadRequest(err.Error())
	}
	for _, requirement := range byField.Requirements() {
		if _, ok := supported[requirement.Field]; !ok {
			return selection{}, apierrors.NewBadRequest(fmt.Sprintf("field label not supported: %s", requirement.Field))
		}
	}
	return selection{byLabel, byField}, nil
}

func (s selection) matches(objectLabels map[string]string, objectFields fields.Set) bool {
	return s.labels.Matches(labels.Set(objectLabels)) && s.fields.Matches(objectFields)
}

func (s selection) everything() bool { return s.labels.Empty() && s.fields.Empty() }

// stable tells whether the answer for an object can never change: then a watch needs no memory.
func (s selection) stable() bool {
	for _, requirement := range s.fields.Requirements() {
		if requirement.Field != "metadata.name" && requirement.Field != "metadata.namespace" {
			return false
		}
	}
	return s.labels.Empty()
}

// podFields are the fields of a Pod by which one may select: the API server's list, without name and namespace.
func podFields(pod *corev1.Pod) fields.Set {
	return fields.Set{
		"spec.nodeName":            pod.Spec.NodeName,
		"spec.restartPolicy":       string(pod.Spec.RestartPolicy),
		"spec.schedulerName":       pod.Spec.SchedulerName,
		"spec.serviceAccountName":  pod.Spec.ServiceAccountName,
		"spec.hostNetwork":         strconv.FormatBool(pod.Spec.HostNetwork),
		"status.phase":             string(pod.Status.Phase),
		"status.podIP":             pod.Status.PodIP,
		"status.nominatedNodeName": pod.Status.NominatedNodeName,
	}
}

// eventFields are the fields of an Event by which one may select.
func eventFields(event *corev1.Event) fields.Set {
	source := event.Source.Component
	if source == "" {
		source = event.ReportingController
	}
	return fields.Set{
		"metadata.name":                  event.Name,
		"metadata.namespace":             event.Namespace,
		"involvedObject.kind":            event.InvolvedObject.Kind,
		"involvedObject.namespace":       event.InvolvedObject.Namespace,
		"involvedObject.name":            event.InvolvedObject.Name,
		"involvedObject.uid":             string(event.InvolvedObject.UID),
		"involvedObject.apiVersion":      event.InvolvedObject.APIVersion,
		"involvedObject.resourceVersion": event.InvolvedObject.ResourceVersion,
		"involvedObject.fieldPath":       event.InvolvedObject.FieldPath,
		"reason":                         event.Reason,
		"reportingComponent":             event.ReportingController,
		"source":                         source,
		"type":                           event.Type,
	}
}
