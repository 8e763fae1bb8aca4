package kube

import (
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	fileModeWords     = "must be a number between 0 and 0777 (octal), both inclusive"
	emptyDirModeWords = "must be a number between 0 and 01777 (octal), both inclusive"
)

// validatePodVolumes is about volumes and about what all containers have of them: mounts, and files of variables.
func validatePodVolumes(spec *corev1.PodSpec, path *field.Path) field.ErrorList {
	volumes, errs := validateVolumes(spec.Volumes, path.Child("volumes"))
	of := func(c *corev1.Container, at *field.Path) {
		errs = append(errs, validateMounts(c, volumes, at.Child("volumeMounts"))...)
		errs = append(errs, validateFileVolumes(c, spec.Volumes, at.Child("env"))...)
	}
	for i := range spec.InitContainers {
		of(&spec.InitContainers[i], path.Child("initContainers").Index(i))
	}
	for i := range spec.Containers {
		of(&spec.Containers[i], path.Child("containers").Index(i))
	}
	for i := range spec.EphemeralContainers {
		of((*corev1.Container)(&spec.EphemeralContainers[i].EphemeralContainerCommon), path.Child("ephemeralContainers").Index(i))
	}
	return errs
}

// validateFSGroup is about the group that volumes belong to.
func validateFSGroup(s *corev1.PodSecurityContext, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if s.FSGroup != nil {
		errs = append(errs, invalid(path.Child("fsGroup"), *s.FSGroup, validation.IsValidGroupID(*s.FSGroup))...)
	}
	if p := s.FSGroupChangePolicy; p != nil {
		errs = append(errs, oneOf(path.Child("fsGroupChangePolicy"), *p, corev1.FSGroupChangeAlways, corev1.FSGroupChangeOnRootMismatch)...)
	}
	return errs
}

// validateVolumes returns the volumes that nothing is wrong with, by name: a mount of another one is a mount of none.
func validateVolumes(volumes []corev1.Volume, path *field.Path) (map[string]*corev1.Volume, field.ErrorList) {
	var all field.ErrorList
	good := map[string]*corev1.Volume{}
	for i := range volumes {
		v, at := &volumes[i], path.Index(i)
		errs := validateVolumeSource(&v.VolumeSource, at)
		if v.Name == "" {
			errs = append(errs, field.Required(at.Child("name"), ""))
		} else {
			errs = append(errs, invalid(at.Child("name"), v.Name, validation.IsDNS1123Label(v.Name))...)
		}
		if good[v.Name] != nil {
			errs = append(errs, field.Duplicate(at.Child("name"), v.Name))
		}
		if len(errs) == 0 {
			good[v.Name] = v
		}
		all = append(all, errs...)
	}
	return good, all
}

// validateVolumeSource wants exactly one source. Those that this program knows nothing of are refused by the table of fields.
func validateVolumeSource(source *corev1.VolumeSource, path *field.Path) field.ErrorList {
	types := volumeTypes(source)
	if len(types) == 0 {
		return field.ErrorList{field.Required(path, "must specify a volume type")}
	}
	var errs field.ErrorList
	for _, another := range types[1:] {
		errs = append(errs, field.Forbidden(path.Child(another), "may not specify more than 1 volume type"))
	}
	at := path.Child(types[0])
	switch types[0] {
	case "emptyDir":
		return append(errs, validateEmptyDir(source.EmptyDir, at)...)
	case "hostPath":
		return append(errs, validateHostPath(source.HostPath, at)...)
	case "secret":
		return append(errs, validateNamed(source.Secret.SecretName, "secretName", source.Secret.DefaultMode, source.Secret.DefaultUser, source.Secret.Items, at)...)
	case "configMap":
		return append(errs, validateNamed(source.ConfigMap.Name, "name", source.ConfigMap.DefaultMode, source.ConfigMap.DefaultUser, source.ConfigMap.Items, at)...)
	case "downwardAPI":
		errs = append(errs, validateModeAndUser(source.DownwardAPI.DefaultMode, source.DownwardAPI.DefaultUser, at.Child("defaultMode"), at.Child("defaultUser"))...)
		return append(errs, validateDownwardFiles(source.DownwardAPI.Items, at.Child("items"))...)
	case "projected":
		return append(errs, validateProjected(source.Projected, at)...)
	case "persistentVolumeClaim":
		return append(errs, required(source.PersistentVolumeClaim.ClaimName, at.Child("claimName"))...)
	case "ephemeral":
		return append(errs, validateClaimTemplate(source.Ephemeral.VolumeClaimTemplate, at.Child("volumeClaimTemplate"))...)
	case "image":
		errs = append(errs, required(source.Image.Reference, at.Child("reference"))...)
		return append(errs, oneOf(at.Child("pullPolicy"), source.Image.PullPolicy, corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever)...)
	}
	return errs
}

// volumeTypes are the JSON names of the sources that are given, emptyDir first.
func volumeTypes(source *corev1.VolumeSource) []string {
	var types []string
	v := reflect.ValueOf(source).Elem()
	for i := range v.NumField() {
		if !v.Field(i).IsNil() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			types = append(types, name)
		}
	}
	if i := slices.Index(types, "emptyDir"); i > 0 {
		types = slices.Insert(slices.Delete(types, i, i+1), 0, "emptyDir")
	}
	return types
}

func required(value string, path *field.Path) field.ErrorList {
	if value == "" {
		return field.ErrorList{field.Required(path, "")}
	}
	return nil
}

func validateEmptyDir(e *corev1.EmptyDirVolumeSource, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if e.SizeLimit != nil && e.SizeLimit.Sign() < 0 {
		errs = append(errs, field.Forbidden(path.Child("sizeLimit"), "SizeLimit field must be a valid resource quantity"))
	}
	if e.Mode != nil && (*e.Mode < 0 || *e.Mode > 0o1777) {
		errs = append(errs, field.Invalid(path.Child("mode"), *e.Mode, emptyDirModeWords))
	}
	switch e.Medium {
	case corev1.StorageMediumDefault, corev1.StorageMediumMemory:
	default: // Kubernetes leaves it to the kubelet, where the Pod never starts
		errs = append(errs, field.NotSupported(path.Child("medium"), e.Medium, []corev1.StorageMedium{corev1.StorageMediumDefault, corev1.StorageMediumMemory}))
	}
	return errs
}

// validateHostPath wants an absolute path beside what Kubernetes wants: the node has no folder that a relative one could begin in. A
// manifest's is made absolute by whoever reads the file (AbsoluteHostPaths).
func validateHostPath(h *corev1.HostPathVolumeSource, path *field.Path) field.ErrorList {
	if h.Path == "" {
		return field.ErrorList{field.Required(path.Child("path"), "")}
	}
	errs := validateNoBacksteps(h.Path, path.Child("path"))
	if !strings.HasPrefix(h.Path, "/") {
		errs = append(errs, field.Invalid(path.Child("path"), h.Path, "must be an absolute path"))
	}
	if types := hostPathTypes; h.Type != nil && !slices.Contains(types, *h.Type) {
		errs = append(errs, field.NotSupported(path.Child("type"), *h.Type, types))
	}
	return errs
}

var hostPathTypes = []corev1.HostPathType{
	corev1.HostPathUnset, corev1.HostPathBlockDev, corev1.HostPathCharDev, corev1.HostPathDirectory, corev1.HostPathDirectoryOrCreate,
	corev1.HostPathFile, corev1.HostPathFileOrCreate, corev1.HostPathSocket,
}

func validateNoBacksteps(name string, at *field.Path) field.ErrorList {
	if slices.Contains(strings.Split(name, "/"), "..") {
		return field.ErrorList{field.Invalid(at, name, "must not contain '..'")}
	}
	return nil
}

// validateNamed is about a Secret's or a ConfigMap's files.
func validateNamed(name, field string, mode *int32, user *int64, items []corev1.KeyToPath, path *field.Path) field.ErrorList {
	errs := required(name, path.Child(field))
	errs = append(errs, validateModeAndUser(mode, user, path.Child("defaultMode"), path.Child("defaultUser"))...)
	return append(errs, validateItems(items, path.Child("items"))...)
}

func validateModeAndUser(mode *int32, user *int64, modePath, userPath *field.Path) field.ErrorList {
	var errs field.ErrorList
	if mode != nil && (*mode < 0 || *mode > 0o777) {
		errs = append(errs, field.Invalid(modePath, *mode, fileModeWords))
	}
	if user != nil {
		errs = append(errs, invalid(userPath, *user, validation.IsValidUserID(*user))...)
	}
	return errs
}

func validateItems(items []corev1.KeyToPath, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, item := range items {
		at := path.Index(i)
		errs = append(errs, required(item.Key, at.Child("key"))...)
		errs = append(errs, required(item.Path, at.Child("path"))...)
		errs = append(errs, validateFilePath(item.Path, at.Child("path"))...)
		errs = append(errs, validateModeAndUser(item.Mode, item.User, at.Child("mode"), at.Child("user"))...)
	}
	return errs
}

// validateFilePath is about a file in a volume. Names that begin with two dots are those of the writer.
func validateFilePath(name string, at *field.Path) field.ErrorList {
	errs := validateBelow(name, at)
	if strings.HasPrefix(name, "..") && !strings.HasPrefix(name, "../") && name != ".." {
		errs = append(errs, field.Invalid(at, name, "must not start with '..'"))
	}
	return errs
}

func validateProjected(p *corev1.ProjectedVolumeSource, path *field.Path) field.ErrorList {
	errs := validateModeAndUser(p.DefaultMode, p.DefaultUser, path.Child("defaultMode"), path.Child("defaultUser"))
	seen := map[string]bool{}
	once := func(name string, value any) {
		if name != "" && seen[name] {
			errs = append(errs, field.Invalid(path, value, "conflicting duplicate paths"))
		}
		seen[name] = true
	}
	for i := range p.Sources {
		s, at := &p.Sources[i], path.Child("sources").Index(i)
		types := 0
		if s.Secret != nil {
			types++
			errs = append(errs, validateNamed(s.Secret.Name, "name", nil, nil, s.Secret.Items, at.Child("secret"))...)
			for _, item := range s.Secret.Items {
				once(item.Path, s.Secret.Name)
			}
		}
		if s.ConfigMap != nil {
			types++
			errs = append(errs, validateNamed(s.ConfigMap.Name, "name", nil, nil, s.ConfigMap.Items, at.Child("configMap"))...)
			for _, item := range s.ConfigMap.Items {
				once(item.Path, s.ConfigMap.Name)
			}
		}
		if s.DownwardAPI != nil {
			types++
			errs = append(errs, validateDownwardFiles(s.DownwardAPI.Items, at.Child("downwardAPI", "items"))...)
			for _, item := range s.DownwardAPI.Items {
				once(item.Path, item.Path)
			}
		}
		if s.ServiceAccountToken != nil {
			types++
		}
		if types > 1 {
			errs = append(errs, field.Forbidden(at, "may not specify more than 1 volume type per source"))
		}
	}
	return errs
}

// volumeFields are the fields of a Pod that a file can be made of.
var volumeFields = []string{"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"}

func validateDownwardFiles(items []corev1.DownwardAPIVolumeFile, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i := range items {
		item, at := &items[i], path.Index(i)
		errs = append(errs, required(item.Path, at.Child("path"))...)
		errs = append(errs, validateFilePath(item.Path, at.Child("path"))...)
		errs = append(errs, validateModeAndUser(item.Mode, item.User, at.Child("mode"), at.Child("user"))...)
		switch {
		case item.FieldRef != nil && item.ResourceFieldRef != nil:
			errs = append(errs, field.Invalid(at, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"))
		case item.FieldRef != nil:
			errs = append(errs, validateFieldRef(item.FieldRef, volumeFields, at.Child("fieldRef"))...)
		case item.ResourceFieldRef != nil && item.ResourceFieldRef.ContainerName == "":
			errs = append(errs, field.Required(at.Child("resourceFieldRef", "containerName"), ""))
		case item.ResourceFieldRef != nil:
			errs = append(errs, validateResourceRef(item.ResourceFieldRef, at.Child("resourceFieldRef"))...)
		default:
			errs = append(errs, field.Required(at, "one of fieldRef and resourceFieldRef is required"))
		}
	}
	return errs
}
