package kube

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const onlySidecars = "may not be set for init containers without restartPolicy=Always"

func validateInitContainers(spec *corev1.PodSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	names := map[string]bool{}
	for i := range spec.Containers {
		names[spec.Containers[i].Name] = true
	}
	for i := range spec.InitContainers {
		c, at := &spec.InitContainers[i], path.Index(i)
		errs = append(errs, validateCommon(c, at)...)
		errs = append(errs, validateRestarts(c, at)...)
		errs = append(errs, validateResizePolicy(c.ResizePolicy, spec.RestartPolicy, at.Child("resizePolicy"))...)
		if names[c.Name] {
			errs = append(errs, field.Duplicate(at.Child("name"), c.Name))
		}
		names[c.Name] = c.Name != ""
		if IsSidecar(c) {
			errs = append(errs, validateHandlers(c, spec, at)...)
			continue
		}
		for _, given := range []struct {
			name string
			is   bool
		}{
			{"lifecycle", c.Lifecycle != nil}, {"livenessProbe", c.LivenessProbe != nil},
			{"readinessProbe", c.ReadinessProbe != nil}, {"startupProbe", c.StartupProbe != nil},
		} {
			if given.is {
				errs = append(errs, field.Forbidden(at.Child(given.name), onlySidecars))
			}
		}
	}
	return errs
}

// The limits of restart rules (kubernetes/pkg/apis/core/validation).
const (
	maxRestartRules = 20
	maxExitCodes    = 255
)

// validateRestarts is about a container's own restart policy.
func validateRestarts(c *corev1.Container, path *field.Path) field.ErrorList {
	policy, rules := path.Child("restartPolicy"), path.Child("restartPolicyRules")
	var errs field.ErrorList
	if c.RestartPolicy != nil {
		errs = oneOf(policy, *c.RestartPolicy, corev1.ContainerRestartPolicyAlways, corev1.ContainerRestartPolicyNever, corev1.ContainerRestartPolicyOnFailure)
	} else if len(c.RestartPolicyRules) > 0 {
		errs = append(errs, field.Required(policy, "must specify restartPolicy when restart rules are used"))
	}
	if n := len(c.RestartPolicyRules); n > maxRestartRules {
		errs = append(errs, field.TooMany(rules, n, maxRestartRules))
	}
	for i, rule := range c.RestartPolicyRules {
		at := rules.Index(i)
		errs = append(errs, oneOf(at.Child("action"), rule.Action,
			corev1.ContainerRestartRuleActionRestart, corev1.ContainerRestartRuleActionRestartAllContainers)...)
		if rule.ExitCodes == nil {
			errs = append(errs, field.Required(at.Child("exitCodes"), "must be specified"))
			continue
		}
		codes := at.Child("exitCodes")
		errs = append(errs, oneOf(codes.Child("operator"), rule.ExitCodes.Operator,
			corev1.ContainerRestartRuleOnExitCodesOpIn, corev1.ContainerRestartRuleOnExitCodesOpNotIn)...)
		if n := len(rule.ExitCodes.Values); n > maxExitCodes {
			errs = append(errs, field.TooMany(codes.Child("values"), n, maxExitCodes))
		}
	}
	return errs
}
