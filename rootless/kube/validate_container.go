package kube

import (
	"slices"
	"strings"

	"github.com/moby/sys/capability"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func validateContainers(spec *corev1.PodSpec, path *field.Path) field.ErrorList {
	if len(spec.Containers) == 0 {
		return field.ErrorList{field.Required(path, "")}
	}
	var errs field.ErrorList
	names := map[string]bool{}
	for i := range spec.Containers {
		c, at := &spec.Containers[i], path.Index(i)
		errs = append(errs, validateCommon(c, at)...)
		if names[c.Name] {
			errs = append(errs, field.Duplicate(at.Child("name"), c.Name))
		}
		names[c.Name] = c.Name != ""
		errs = append(errs, validateHandlers(c, spec, at)...)
		errs = append(errs, validateRestarts(c, at)...)
		errs = append(errs, validateResizePolicy(c.ResizePolicy, spec.RestartPolicy, at.Child("resizePolicy"))...)
	}
	return errs
}

// validateCommon is what all kinds of containers have in common.
func validateCommon(c *corev1.Container, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if c.Name == "" {
		errs = append(errs, field.Required(at.Child("name"), ""))
	} else {
		errs = append(errs, invalid(at.Child("name"), c.Name, validation.IsDNS1123Label(c.Name))...)
	}
	errs = append(errs, validateImage(c.Image, at.Child("image"))...)
	errs = append(errs, oneOf(at.Child("imagePullPolicy"), c.ImagePullPolicy,
		corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever)...)
	errs = append(errs, oneOf(at.Child("terminationMessagePolicy"), c.TerminationMessagePolicy,
		corev1.TerminationMessageReadFile, corev1.TerminationMessageFallbackToLogsOnError)...)
	errs = append(errs, validatePorts(c.Ports, at.Child("ports"))...)
	errs = append(errs, validateEnv(c.Env, at.Child("env"))...)
	errs = append(errs, validateEnvFrom(c.EnvFrom, at.Child("envFrom"))...)
	errs = append(errs, validateResources(&c.Resources, at.Child("resources"))...)
	return append(errs, validateSecurity(c.SecurityContext, at.Child("securityContext"))...)
}

func validateImage(image string, path *field.Path) field.ErrorList {
	switch {
	case image == "":
		return field.ErrorList{field.Required(path, "")}
	case image != strings.TrimSpace(image):
		return field.ErrorList{field.Invalid(path, image, "must not have leading or trailing whitespace")}
	}
	return nil
}

func validatePorts(ports []corev1.ContainerPort, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	names := map[string]bool{}
	for i, port := range ports {
		at := path.Index(i)
		if port.Name != "" {
			messages := validation.IsValidPortName(port.Name)
			errs = append(errs, invalid(at.Child("name"), port.Name, messages)...)
			if len(messages) == 0 && names[port.Name] {
				errs = append(errs, field.Duplicate(at.Child("name"), port.Name))
			}
			names[port.Name] = true
		}
		if port.ContainerPort == 0 {
			errs = append(errs, field.Required(at.Child("containerPort"), ""))
		} else {
			errs = append(errs, invalid(at.Child("containerPort"), port.ContainerPort, validation.IsValidPortNum(int(port.ContainerPort)))...)
		}
		errs = append(errs, oneOf(at.Child("protocol"), port.Protocol, corev1.ProtocolSCTP, corev1.ProtocolTCP, corev1.ProtocolUDP)...)
	}
	return errs
}

func validateEnv(env []corev1.EnvVar, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i := range env {
		at := path.Index(i)
		if env[i].Name == "" {
			errs = append(errs, field.Required(at.Child("name"), ""))
		} else {
			errs = append(errs, invalid(at.Child("name"), env[i].Name, validation.IsRelaxedEnvVarName(env[i].Name))...)
		}
		if env[i].ValueFrom != nil {
			errs = append(errs, validateValueFrom(&env[i], at.Child("valueFrom"))...)
		}
	}
	return errs
}

func validateValueFrom(variable *corev1.EnvVar, path *field.Path) field.ErrorList {
	from, sources := variable.ValueFrom, 0
	for _, given := range []bool{from.FieldRef != nil, from.ResourceFieldRef != nil, from.ConfigMapKeyRef != nil, from.SecretKeyRef != nil, from.FileKeyRef != nil} {
		if given {
			sources++
		}
	}
	var errs field.ErrorList
	if from.FieldRef != nil {
		errs = append(errs, validateFieldRef(from.FieldRef, envFields, path.Child("fieldRef"))...)
	}
	if from.ResourceFieldRef != nil {
		errs = append(errs, validateResourceRef(from.ResourceFieldRef, path.Child("resourceFieldRef"))...)
	}
	if ref := from.ConfigMapKeyRef; ref != nil {
		errs = append(errs, validateKeyRef(ref.Name, ref.Key, path.Child("configMapKeyRef"))...)
	}
	if ref := from.SecretKeyRef; ref != nil {
		errs = append(errs, validateKeyRef(ref.Name, ref.Key, path.Child("secretKeyRef"))...)
	}
	if ref := from.FileKeyRef; ref != nil {
		errs = append(errs, validateFileKeyRef(ref, path.Child("fileKeyRef"))...)
	}
	switch {
	case sources == 0:
		errs = append(errs, field.Invalid(path, "", "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"))
	case variable.Value != "":
		errs = append(errs, field.Invalid(path, "", "may not be specified when `value` is not empty"))
	case sources > 1:
		errs = append(errs, field.Invalid(path, "", "may not have more than one field specified at a time"))
	}
	return errs
}

func validateKeyRef(name, key string, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if name == "" {
		errs = append(errs, field.Required(path.Child("name"), ""))
	}
	if key == "" {
		return append(errs, field.Required(path.Child("key"), ""))
	}
	return append(errs, invalid(path.Child("key"), key, validation.IsConfigMapKey(key))...)
}

func validateEnvFrom(sources []corev1.EnvFromSource, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i := range sources {
		s, at := &sources[i], path.Index(i)
		if s.Prefix != "" {
			errs = append(errs, invalid(at.Child("prefix"), s.Prefix, validation.IsRelaxedEnvVarName(s.Prefix))...)
		}
		if s.ConfigMapRef != nil && s.ConfigMapRef.Name == "" {
			errs = append(errs, field.Required(at.Child("configMapRef", "name"), ""))
		}
		if s.SecretRef != nil && s.SecretRef.Name == "" {
			errs = append(errs, field.Required(at.Child("secretRef", "name"), ""))
		}
		switch {
		case s.ConfigMapRef == nil && s.SecretRef == nil:
			errs = append(errs, field.Invalid(at, "", "must specify one of: `configMapRef` or `secretRef`"))
		case s.ConfigMapRef != nil && s.SecretRef != nil:
			errs = append(errs, field.Invalid(at, "", "may not have more than one field specified at a time"))
		}
	}
	return errs
}

// envFields are the fields that an environment variable can be taken from, apart from labels and annotations.
var envFields = []string{"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
	"status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"}

// otherFields are fields that Kubernetes knows, but has no use for here.
var otherFields = []string{"spec.restartPolicy", "spec.schedulerName", "status.phase"}

// validateFieldRef wants one of the allowed fields, or a label or an annotation.
func validateFieldRef(ref *corev1.ObjectFieldSelector, allowed []string, path *field.Path) field.ErrorList {
	at := path.Child("fieldPath")
	switch {
	case ref.APIVersion == "":
		return field.ErrorList{field.Required(path.Child("apiVersion"), "")}
	case ref.FieldPath == "":
		return field.ErrorList{field.Required(at, "")}
	case ref.APIVersion != "v1":
		return field.ErrorList{field.Invalid(at, ref.FieldPath, "error converting fieldPath: unsupported pod version: "+ref.APIVersion)}
	}
	parent, key, subscripted := splitSubscript(ref.FieldPath)
	switch {
	case subscripted && parent == "metadata.annotations":
		return invalid(path, key, validation.IsQualifiedName(strings.ToLower(key)))
	case subscripted && parent == "metadata.labels":
		return invalid(path, key, validation.IsQualifiedName(key))
	case subscripted:
		return field.ErrorList{field.Invalid(at, ref.FieldPath, "error converting fieldPath: field label does not support subscript: "+ref.FieldPath)}
	case slices.Contains(allowed, ref.FieldPath):
		return nil
	case slices.Contains(slices.Concat(envFields, volumeFields, otherFields), ref.FieldPath):
		return field.ErrorList{field.NotSupported(at, ref.FieldPath, allowed)}
	}
	return field.ErrorList{field.Invalid(at, ref.FieldPath, "error converting fieldPath: field label not supported: "+ref.FieldPath)}
}

// splitSubscript takes metadata.labels['key'] apart.
func splitSubscript(path string) (parent, key string, ok bool) {
	rest, ok := strings.CutSuffix(path, "']")
	if !ok {
		return path, "", false
	}
	parent, key, ok = strings.Cut(rest, "['")
	if !ok || parent == "" {
		return path, "", false
	}
	return parent, key, true
}

func validateResources(resources *corev1.ResourceRequirements, path *field.Path) field.ErrorList {
	errs := validateRequirements(resources, validateResourceName, path)
	if len(resources.Claims) > 0 {
		errs = append(errs, field.Forbidden(path.Child("claims"), "not supported by peapod: "+noClaims))
	}
	return errs
}

func validateQuantities(list corev1.ResourceList, nameIsValid func(string, *field.Path) field.ErrorList, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, name := range sortedNames(list) {
		at := path.Key(string(name))
		errs = append(errs, nameIsValid(string(name), at)...)
		if quantity := list[name]; quantity.Sign() < 0 {
			errs = append(errs, field.Invalid(at, quantity.String(), "must be greater than or equal to 0"))
		}
	}
	return errs
}

func validateResourceName(name string, path *field.Path) field.ErrorList {
	if messages := validation.IsQualifiedName(name); len(messages) > 0 {
		return invalid(path, name, messages)
	}
	switch corev1.ResourceName(name) {
	case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
		return nil
	}
	if strings.Contains(name, "/") || isHugePages(corev1.ResourceName(name)) {
		return nil
	}
	return field.ErrorList{field.Invalid(path, name, "must be a standard resource type or fully qualified"),
		field.Invalid(path, name, "must be a standard resource for containers")}
}

func sortedNames(list corev1.ResourceList) []corev1.ResourceName {
	names := make([]corev1.ResourceName, 0, len(list))
	for name := range list {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func validateSecurity(security *corev1.SecurityContext, path *field.Path) field.ErrorList {
	if security == nil {
		return nil
	}
	errs := validateIDs(security.RunAsUser, security.RunAsGroup, path)
	errs = append(errs, validateSeccomp(security.SeccompProfile, path.Child("seccompProfile"))...)
	if m := security.ProcMount; m != nil {
		errs = append(errs, oneOf(path.Child("procMount"), *m, corev1.DefaultProcMount, corev1.UnmaskedProcMount)...)
	}
	if caps := security.Capabilities; caps != nil {
		errs = append(errs, validateCapabilities(caps.Add, path.Child("capabilities", "add"))...)
		errs = append(errs, validateCapabilities(caps.Drop, path.Child("capabilities", "drop"))...)
	}
	if security.AllowPrivilegeEscalation == nil || *security.AllowPrivilegeEscalation {
		return errs
	}
	if security.Privileged != nil && *security.Privileged {
		errs = append(errs, field.Invalid(path, security, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"))
	}
	if security.Capabilities != nil && slices.Contains(security.Capabilities.Add, "CAP_SYS_ADMIN") {
		errs = append(errs, field.Invalid(path, security, "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"))
	}
	return errs
}

// validateCapabilities refuses names that no kernel knows. Kubernetes leaves that to the runtime, where it stops a
// Pod that is already half made.
func validateCapabilities(names []corev1.Capability, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, name := range names {
		plain := strings.TrimPrefix(strings.ToUpper(string(name)), "CAP_")
		known := slices.ContainsFunc(capability.ListKnown(), func(c capability.Cap) bool { return strings.EqualFold(c.String(), plain) })
		if plain != "ALL" && !known {
			errs = append(errs, field.Invalid(path.Index(i), name, "is no capability; names are as in capabilities(7), without CAP_, or ALL"))
		}
	}
	return errs
}
