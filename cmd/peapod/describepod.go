package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
)

// page writes lines of kubectl describe: each level is indented by two spaces, a tab begins the next column. Columns are as wide as
// their block of neighbouring lines needs.
type page struct {
	w     *tabwriter.Writer
	now   time.Time
	inset string // before titles; two spaces within a template
}

// name begins what is said of something in a list.
func (p *page) name(name string) { p.line(1, "%s%s:", p.inset[:len(p.inset)/2], name) }

func newPage(w io.Writer) *page {
	return &page{w: tabwriter.NewWriter(w, 0, 8, 2, ' ', 0), now: time.Now()}
}

// head is what most descriptions begin with.
func (p *page) head(o metav1.Object) {
	p.line(0, "Name:\t%s", o.GetName())
	p.line(0, "Namespace:\t%s", o.GetNamespace())
	p.pairs("Labels", o.GetLabels(), "=")
	p.annotations(o.GetAnnotations())
}

func (p *page) line(level int, format string, args ...any) {
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), "\x1b", "^[")
	fmt.Fprintf(p.w, "%s%s\n", strings.Repeat("  ", level), text) // an error stays in the writer until Flush
}

// describePod prints what `kubectl describe pod` prints, in its order and layout.
func describePod(w io.Writer, pod *corev1.Pod, events []corev1.Event, now time.Time) error {
	p := &page{w: tabwriter.NewWriter(w, 0, 8, 2, ' ', 0), now: now}
	p.identity(pod)
	p.status(pod)
	p.containers("Init Containers", pod.Spec.InitContainers, pod.Status.InitContainerStatuses)
	p.containers("Containers", pod.Spec.Containers, pod.Status.ContainerStatuses)
	p.containers("Ephemeral Containers", ephemeralContainers(pod), pod.Status.EphemeralContainerStatuses)
	p.conditions(pod)
	p.volumes(pod.Spec.Volumes)
	if pod.Status.QOSClass != "" {
		p.line(0, "QoS Class:\t%s", pod.Status.QOSClass)
	}
	p.pairs("Node-Selectors", pod.Spec.NodeSelector, "=")
	p.tolerations(pod.Spec.Tolerations)
	if err := p.w.Flush(); err != nil {
		return err
	}
	p.events(events)
	return p.w.Flush()
}

// ephemeralContainers are a Pod's ephemeral containers as the containers that they look like.
func ephemeralContainers(pod *corev1.Pod) []corev1.Container {
	var containers []corev1.Container
	for i := range pod.Spec.EphemeralContainers {
		containers = append(containers, corev1.Container(pod.Spec.EphemeralContainers[i].EphemeralContainerCommon))
	}
	return containers
}

func (p *page) identity(pod *corev1.Pod) {
	p.line(0, "Name:\t%s", pod.Name)
	p.line(0, "Namespace:\t%s", pod.Namespace)
	if pod.Spec.Priority != nil {
		p.line(0, "Priority:\t%d", *pod.Spec.Priority)
	}
	p.optional("Priority Class Name", pod.Spec.PriorityClassName)
	if pod.Spec.RuntimeClassName != nil {
		p.line(0, "Runtime Class Name:\t%s", *pod.Spec.RuntimeClassName)
	}
	p.optional("Service Account", pod.Spec.ServiceAccountName)
	if pod.Spec.NodeName == "" {
		p.line(0, "Node:\t<none>")
	} else {
		p.line(0, "Node:\t%s/%s", pod.Spec.NodeName, pod.Status.HostIP)
	}
	if pod.Status.StartTime != nil {
		p.line(0, "Start Time:\t%s", stamp(*pod.Status.StartTime))
	}
	p.pairs("Labels", pod.Labels, "=")
	p.annotations(pod.Annotations)
}

func (p *page) optional(title, text string) {
	if text != "" {
		p.line(0, "%s:\t%s", title, text)
	}
}

func (p *page) status(pod *corev1.Pod) {
	if pod.DeletionTimestamp != nil {
		p.line(0, "Status:\tTerminating (lasts %s)", duration.HumanDuration(p.now.Sub(pod.DeletionTimestamp.Time)))
		if seconds := pod.DeletionGracePeriodSeconds; seconds != nil {
			p.line(0, "Termination Grace Period:\t%ds", *seconds)
		}
	} else {
		p.line(0, "Status:\t%s", pod.Status.Phase)
	}
	p.optional("Reason", pod.Status.Reason)
	p.optional("Message", pod.Status.Message)
	if security := pod.Spec.SecurityContext; security != nil {
		p.seccomp(0, security.SeccompProfile)
	}
	p.line(0, "IP:\t%s", pod.Status.PodIP)
	if len(pod.Status.PodIPs) == 0 {
		p.line(0, "IPs:\t<none>")
		return
	}
	p.line(0, "IPs:")
	for _, ip := range pod.Status.PodIPs {
		p.line(1, "IP:\t%s", ip.IP)
	}
}

func (p *page) seccomp(level int, profile *corev1.SeccompProfile) {
	if profile == nil {
		return
	}
	p.line(level, "SeccompProfile:\t%s", profile.Type)
	if profile.LocalhostProfile != nil {
		p.line(level+1, "LocalhostProfile:\t%s", *profile.LocalhostProfile)
	}
}

// pairs prints a map ordered by key, one pair a line below the first one.
func (p *page) pairs(title string, pairs map[string]string, between string) {
	title = p.inset + title
	if len(pairs) == 0 {
		p.line(0, "%s:\t<none>", title)
		return
	}
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		p.line(0, "%s\t%s%s%s", head(&title), key, between, pairs[key])
	}
}

// head is "Title:" the first time and nothing after.
func head(title *string) string {
	if *title == "" {
		return ""
	}
	text := *title + ":"
	*title = ""
	return text
}

// lastApplied is a manifest that kubectl keeps in an annotation; it shows it to nobody.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// annotations are shortened, and go below their key if they are long or have several lines.
func (p *page) annotations(annotations map[string]string) {
	title := p.inset + "Annotations"
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		if key == lastApplied {
			continue
		}
		value := strings.TrimSuffix(annotations[key], "\n")
		if len(value)+len(key)+2 <= 140 && !strings.Contains(value, "\n") {
			p.line(0, "%s\t%s: %s", head(&title), key, value)
			continue
		}
		p.line(0, "%s\t%s:", head(&title), key)
		for text := range strings.SplitSeq(value, "\n") {
			if len(text) > 140 {
				text = strings.ToValidUTF8(text[:140], "") + "..."
			}
			p.line(0, "\t  %s", text)
		}
	}
	if title != "" {
		p.line(0, "%s:\t<none>", title)
	}
}

func (p *page) conditions(pod *corev1.Pod) {
	if gates := pod.Spec.ReadinessGates; len(gates) > 0 {
		p.line(0, "Readiness Gates:\n  Type\tStatus")
		for _, gate := range gates {
			p.line(1, "%s \t%s ", gate.ConditionType, conditionStatus(pod, gate.ConditionType))
		}
	}
	if len(pod.Status.Conditions) == 0 {
		return
	}
	p.line(0, "Conditions:\n  Type\tStatus")
	for _, condition := range pod.Status.Conditions {
		p.line(1, "%s \t%s ", condition.Type, condition.Status)
	}
}

func conditionStatus(pod *corev1.Pod, kind corev1.PodConditionType) string {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == kind {
			return string(condition.Status)
		}
	}
	return "<none>"
}

func (p *page) tolerations(tolerations []corev1.Toleration) {
	title := p.inset + "Tolerations"
	if len(tolerations) == 0 {
		p.line(0, "%s:\t<none>", title)
		return
	}
	for _, t := range tolerations {
		text := t.Key
		if t.Value != "" {
			text += "=" + t.Value
		}
		if t.Effect != "" {
			text += ":" + string(t.Effect)
		}
		if t.Operator == corev1.TolerationOpExists && t.Value == "" {
			text = strings.TrimSpace(text + " op=Exists")
		}
		if t.TolerationSeconds != nil {
			text += fmt.Sprintf(" for %ds", *t.TolerationSeconds)
		}
		p.line(0, "%s\t%s", head(&title), text)
	}
}

func (p *page) events(events []corev1.Event) {
	if len(events) == 0 {
		p.line(0, "Events:\t<none>")
		return
	}
	p.line(0, "Events:\n  Type\tReason\tAge\tFrom\tMessage")
	p.line(1, "----\t------\t----\t----\t-------")
	for i := range events {
		event := &events[i]
		from := event.Source.Component
		if from == "" {
			from = event.ReportingController
		}
		p.line(1, "%s\t%s\t%s\t%s\t%s", event.Type, event.Reason, p.eventAge(event), from, strings.TrimSpace(event.Message))
	}
}

// eventAge is how long ago an event was, for a series the last one with how often and since when.
func (p *page) eventAge(event *corev1.Event) string {
	first := event.FirstTimestamp
	if first.IsZero() {
		first = metav1.Time{Time: event.EventTime.Time}
	}
	switch {
	case event.Series != nil:
		return fmt.Sprintf("%s (x%d over %s)", p.since(metav1.Time{Time: event.Series.LastObservedTime.Time}), event.Series.Count, p.since(first))
	case event.Count > 1:
		return fmt.Sprintf("%s (x%d over %s)", p.since(event.LastTimestamp), event.Count, p.since(first))
	}
	return p.since(first)
}

func (p *page) since(t metav1.Time) string {
	if t.IsZero() {
		return "<unknown>"
	}
	return duration.HumanDuration(p.now.Sub(t.Time))
}

func stamp(t metav1.Time) string { return t.Format(time.RFC1123Z) }
