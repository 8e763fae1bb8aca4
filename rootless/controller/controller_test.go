package controller

import (
	"bufio"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/peapod/peapod/rootless/kube"
)

var update = flag.Bool("update", false, "rewrite the recordings in testdata")

// TestRecordings plays the recordings in testdata: after each line that begins with "> " comes what the controllers did until nothing was left to do,
// and how things stand. Rewrite with -update and read the difference.
//
//	> apply JSON           an object is created, or its spec replaced
//	> run | ready | succeed | fail [NAME]   all Pods that are not so far yet, or one, get this state
//	> delete NAME          a Pod ends and is gone
//	> wait 10s             time passes
//	> show KIND NAME       its status
func TestRecordings(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(data))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got != string(data) && !*update {
				t.Errorf("got:\n%s", got)
			}
		})
	}
}

func play(t *testing.T, recording string) string {
	c := &cluster{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	for lines := bufio.NewScanner(strings.NewReader(recording)); lines.Scan(); {
		line := lines.Text()
		command, isCommand := strings.CutPrefix(line, "> ")
		if !isCommand {
			if line == "" || strings.HasPrefix(line, "#") {
				fmt.Fprintln(&c.out, line)
			}
			continue
		}
		fmt.Fprintln(&c.out, line)
		verb, rest, _ := strings.Cut(command, " ")
		c.do(verb, rest)
	}
	return c.out.String()
}

// cluster is objects in memory and a clock.
type cluster struct {
	t       *testing.T
	out     strings.Builder
	now     time.Time
	objects []kube.Object
	serial  int
}

func (c *cluster) do(verb, rest string) {
	switch verb {
	case "apply":
		c.apply(rest)
	case "run", "ready", "succeed", "fail":
		c.advance(verb, rest)
	case "delete":
		o := c.named("Pod", rest)
		c.objects = slices.DeleteFunc(c.objects, func(x kube.Object) bool { return x == o })
	case "wait":
		d, err := time.ParseDuration(rest)
		if err != nil {
			c.t.Fatal(err)
		}
		c.now = c.now.Add(d)
	case "show":
		kind, name, _ := strings.Cut(rest, " ")
		status, _ := json.Marshal(statusOf(c.named(kind, name)))
		fmt.Fprintf(&c.out, "  %s\n", status)
		return
	default:
		c.t.Fatalf("no such command: %s", verb)
	}
	c.settle()
}

func statusOf(o kube.Object) any {
	switch o := o.(type) {
	case *appsv1.Deployment:
		return o.Status
	case *appsv1.ReplicaSet:
		return o.Status
	case *corev1.ReplicationController:
		return o.Status
	case *appsv1.StatefulSet:
		return o.Status
	case *appsv1.DaemonSet:
		return o.Status
	case *batchv1.Job:
		return o.Status
	case *batchv1.CronJob:
		return o.Status
	}
	return nil
}

func (c *cluster) named(kind, name string) kube.Object {
	for _, o := range c.objects {
		if kube.KindOf(o).Name == kind && o.GetName() == name {
			return o
		}
	}
	c.t.Fatalf("there is no %s %s\n%s", kind, name, c.out.String())
	return nil
}

func (c *cluster) apply(manifest string) {
	entries, err := kube.Decode("", []byte(manifest))
	if err != nil {
		c.t.Fatal(err)
	}
	o := entries[0].Object
	kind := kube.KindOf(o)
	o.SetNamespace("default")
	kind.Default(o)
	if errs := kind.Validate(o, kube.Features{}); len(errs) > 0 {
		c.t.Fatal(errs)
	}
	for _, there := range c.objects {
		if kube.KindOf(there) == kind && there.GetName() == o.GetName() {
			kind.Adopt(there, o)
			return
		}
	}
	c.add(o)
}

func (c *cluster) add(o kube.Object) {
	c.serial++
	if o.GetName() == "" {
		o.SetName(o.GetGenerateName() + strconv.Itoa(c.serial))
	}
	kube.KindOf(o).Default(o)
	o.SetUID(types.UID(strconv.Itoa(c.serial)))
	o.SetGeneration(1)
	o.SetCreationTimestamp(metav1.NewTime(c.now))
	if j, ok := o.(*batchv1.Job); ok {
		kube.SelectJob(j)
	}
	if pod, ok := o.(*corev1.Pod); ok {
		pod.Status.Phase = corev1.PodPending
	}
	c.objects = append(c.objects, o)
}

// advance brings Pods that have not ended to a state.
func (c *cluster) advance(verb, name string) {
	for _, o := range c.objects {
		pod, ok := o.(*corev1.Pod)
		if !ok || ended(pod) || name != "" && pod.Name != name {
			continue
		}
		switch verb {
		case "run", "ready":
			pod.Status.Phase = corev1.PodRunning
			if verb == "ready" && !ready(pod) {
				pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(c.now)}}
			}
		default:
			pod.Status.Phase, pod.Status.Conditions = corev1.PodSucceeded, nil
			if verb == "fail" {
				pod.Status.Phase = corev1.PodFailed
			}
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{
				Terminated: &corev1.ContainerStateTerminated{FinishedAt: metav1.NewTime(c.now)},
			}}}
		}
	}
}

// settle carries out plans until there are none, and says until when.
func (c *cluster) settle() {
	for range 100 {
		acted, wake := c.pass()
		if !acted {
			if !wake.IsZero() {
				fmt.Fprintf(&c.out, "  wake in %s\n", wake.Sub(c.now))
			}
			return
		}
	}
	c.t.Fatalf("the controllers do not come to rest\n%s", c.out.String())
}

func (c *cluster) pass() (acted bool, wake time.Time) {
	for _, kind := range Kinds {
		for _, o := range slices.Clone(c.objects) {
			if kube.KindOf(o) != kind || !slices.Contains(c.objects, o) {
				continue
			}
			plan := Reconcile(c.now, o, c.owned(o))
			before, _ := json.Marshal(statusOf(o))
			c.setStatus(o, plan.Object)
			after, _ := json.Marshal(statusOf(o))
			acted = acted || string(before) != string(after) || len(plan.Actions) > 0
			if !plan.WakeAt.IsZero() && (wake.IsZero() || plan.WakeAt.Before(wake)) {
				wake = plan.WakeAt
			}
			for _, a := range plan.Actions {
				c.carryOut(a)
			}
		}
	}
	return acted, wake
}

func (c *cluster) carryOut(a Action) {
	switch a := a.(type) {
	case Create:
		o := a.Object.DeepCopyObject().(kube.Object)
		c.add(o)
		a.Object = o
		fmt.Fprintf(&c.out, "  %s\n", a.action())
		return
	case Delete:
		c.objects = slices.DeleteFunc(c.objects, func(o kube.Object) bool { return o.GetUID() == a.Object.GetUID() })
	case Update:
		for _, o := range c.objects {
			if o.GetUID() == a.Object.GetUID() {
				kube.KindOf(o).Adopt(o, a.Object)
			}
		}
	}
	fmt.Fprintf(&c.out, "  %s\n", a.action())
}

func (c *cluster) setStatus(o, planned kube.Object) {
	switch o := o.(type) {
	case *appsv1.Deployment:
		o.Status = planned.(*appsv1.Deployment).Status
	case *appsv1.ReplicaSet:
		o.Status = planned.(*appsv1.ReplicaSet).Status
	case *corev1.ReplicationController:
		o.Status = planned.(*corev1.ReplicationController).Status
	case *appsv1.StatefulSet:
		o.Status = planned.(*appsv1.StatefulSet).Status
	case *appsv1.DaemonSet:
		o.Status = planned.(*appsv1.DaemonSet).Status
	case *batchv1.Job:
		o.Status = planned.(*batchv1.Job).Status
	case *batchv1.CronJob:
		o.Status = planned.(*batchv1.CronJob).Status
	}
}

func (c *cluster) owned(o kube.Object) Owned {
	owned := Owned{Claims: map[string]bool{}}
	for _, child := range c.objects {
		if _, isClaim := child.(*corev1.PersistentVolumeClaim); isClaim {
			owned.Claims[child.GetName()] = true
		}
		if owner := metav1.GetControllerOf(child); owner == nil || owner.UID != o.GetUID() {
			continue
		}
		switch child := child.(type) {
		case *corev1.Pod:
			owned.Pods = append(owned.Pods, child)
		case *batchv1.Job:
			owned.Jobs = append(owned.Jobs, child)
		case *appsv1.ReplicaSet:
			owned.ReplicaSets = append(owned.ReplicaSets, child)
			owned.Pods = append(owned.Pods, c.owned(child).Pods...)
		}
	}
	slices.SortFunc(owned.Pods, func(a, b *corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	return owned
}
