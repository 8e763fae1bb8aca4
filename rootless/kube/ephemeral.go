package kube

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Ephemeral containers join a Pod that runs, by an address of their own, and stay in its spec.

const notForEphemeral = "cannot be set for an Ephemeral Container"

func validateEphemeralContainers(spec *corev1.PodSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	lasting, all := map[string]bool{}, map[string]bool{}
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			lasting[list[i].Name], all[list[i].Name] = true, true
		}
	}
	for i := range spec.EphemeralContainers {
		e, at := &spec.EphemeralContainers[i], path.Index(i)
		c := ephemeral(e)
		errs = append(errs, validateCommon(c, at)...)
		if c.Name != "" && all[c.Name] {
			errs = append(errs, field.Duplicate(at.Child("name"), c.Name))
		}
		all[c.Name] = true
		if target := e.TargetContainerName; target != "" && !lasting[target] {
			errs = append(errs, field.NotFound(at.Child("targetContainerName"), target))
		}
		errs = append(errs, onlyForLasting(c, at)...)
	}
	return errs
}

// onlyForLasting names what a container may have that others rely on, but not an ephemeral one.
func onlyForLasting(c *corev1.Container, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, given := range []struct {
		name string
		is   bool
	}{
		{"ports", len(c.Ports) > 0},
		{"resources", len(c.Resources.Limits)+len(c.Resources.Requests)+len(c.Resources.Claims) > 0},
		{"resizePolicy", len(c.ResizePolicy) > 0},
		{"restartPolicy", c.RestartPolicy != nil}, {"restartPolicyRules", len(c.RestartPolicyRules) > 0},
		{"livenessProbe", c.LivenessProbe != nil}, {"readinessProbe", c.ReadinessProbe != nil}, {"startupProbe", c.StartupProbe != nil},
		{"lifecycle", c.Lifecycle != nil},
	} {
		if given.is {
			errs = append(errs, field.Forbidden(path.Child(given.name), notForEphemeral))
		}
	}
	for i, mount := range c.VolumeMounts {
		at := path.Child("volumeMounts").Index(i)
		if mount.SubPath != "" {
			errs = append(errs, field.Forbidden(at.Child("subPath"), notForEphemeral))
		}
		if mount.SubPathExpr != "" {
			errs = append(errs, field.Forbidden(at.Child("subPathExpr"), notForEphemeral))
		}
	}
	return errs
}

// ValidateCreate returns what may be in a Pod that is there, but not in a new one.
func ValidateCreate(pod *corev1.Pod) field.ErrorList {
	if len(pod.Spec.EphemeralContainers) > 0 {
		return field.ErrorList{field.Forbidden(field.NewPath("spec", "ephemeralContainers"), "cannot be set on create")}
	}
	return nil
}

// validateEphemeralUpdate allows ephemeral containers to be added.
func validateEphemeralUpdate(pod, old *corev1.Pod) field.ErrorList {
	var errs field.ErrorList
	path := field.NewPath("spec", "ephemeralContainers")
	kept := map[string]*corev1.EphemeralContainer{}
	for i := range pod.Spec.EphemeralContainers {
		kept[pod.Spec.EphemeralContainers[i].Name] = &pod.Spec.EphemeralContainers[i]
	}
	for i := range old.Spec.EphemeralContainers {
		before := &old.Spec.EphemeralContainers[i]
		switch after := kept[before.Name]; {
		case after == nil:
			errs = append(errs, field.Forbidden(path, fmt.Sprintf("existing ephemeral containers %q may not be removed\n", before.Name)))
		case !equality.Semantic.DeepEqual(before, after):
			var lines []string
			compare(path.Key(before.Name).String(), tree(after), tree(before), func(at string, after, before any) {
				lines = append(lines, difference(at, after, before))
			})
			errs = append(errs, field.Forbidden(path, fmt.Sprintf("existing ephemeral containers %q may not be changed\n%s", before.Name, strings.Join(lines, "\n"))))
		}
	}
	return errs
}
