package volume

import (
	"errors"
	"fmt"
	"maps"
	"path"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// File is one file of a projection.
type File struct {
	Data []byte
	Mode uint32
	User *int64 // whom it belongs to; nil: to root
}

// Files are the files of a projection by their paths.
type Files map[string]File

// Sources are what projections are made of.
type Sources struct {
	// ConfigMap and Secret find an object of the Pod's namespace. The error of one that is missing is a Kubernetes NotFound, in the kubelet's words.
	ConfigMap func(name string) (*corev1.ConfigMap, error)
	Secret    func(name string) (*corev1.Secret, error)
	// Field and Resource are the values of fields of the Pod.
	Field    func(fieldPath string) (string, error)
	Resource func(*corev1.ResourceFieldSelector) (string, error)
}

// defaults are a volume's for its files.
type defaults struct {
	mode *int32
	user *int64
}

// IsProjection tells whether a volume consists of files that Project makes.
func IsProjection(v *corev1.VolumeSource) bool {
	return v.ConfigMap != nil || v.Secret != nil || v.DownwardAPI != nil || v.Projected != nil
}

// Project returns the files of a configMap, secret, downwardAPI or projected volume. Errors are the kubelet's.
func Project(v *corev1.VolumeSource, s Sources) (Files, error) {
	files := Files{}
	switch {
	case v.ConfigMap != nil:
		c := v.ConfigMap
		return files, files.configMap(s, c.Name, c.Items, c.Optional, defaults{c.DefaultMode, c.DefaultUser})
	case v.Secret != nil:
		c := v.Secret
		return files, files.secret(s, c.SecretName, c.Items, c.Optional, defaults{c.DefaultMode, c.DefaultUser})
	case v.DownwardAPI != nil:
		return files, files.fields(s, v.DownwardAPI.Items, defaults{v.DownwardAPI.DefaultMode, v.DownwardAPI.DefaultUser})
	case v.Projected != nil:
		return files, files.sources(s, v.Projected)
	}
	return nil, errors.New("not a volume of files")
}

// sources puts several sources together: of files with the same path the last one counts. A token of a service account is left out.
func (f Files) sources(s Sources, p *corev1.ProjectedVolumeSource) error {
	d := defaults{p.DefaultMode, p.DefaultUser}
	var errs []error
	for i := range p.Sources {
		part := Files{}
		var err error
		switch source := &p.Sources[i]; {
		case source.ConfigMap != nil:
			err = part.configMap(s, source.ConfigMap.Name, source.ConfigMap.Items, source.ConfigMap.Optional, d)
		case source.Secret != nil:
			err = part.secret(s, source.Secret.Name, source.Secret.Items, source.Secret.Optional, d)
		case source.DownwardAPI != nil:
			err = part.fields(s, source.DownwardAPI.Items, d)
		}
		errs = append(errs, err)
		maps.Copy(f, part)
	}
	return errors.Join(errs...)
}

func (f Files) configMap(s Sources, name string, items []corev1.KeyToPath, optional *bool, d defaults) error {
	c, err := s.ConfigMap(name)
	if err != nil {
		if !isTrue(optional) || !apierrors.IsNotFound(err) {
			return err
		}
		c = &corev1.ConfigMap{}
	}
	content := make(map[string][]byte, len(c.Data)+len(c.BinaryData))
	for key, text := range c.Data {
		content[key] = []byte(text)
	}
	maps.Copy(content, c.BinaryData)
	return f.keys(content, items, optional, d, "configmap references non-existent config key: %s")
}

func (f Files) secret(s Sources, name string, items []corev1.KeyToPath, optional *bool, d defaults) error {
	c, err := s.Secret(name)
	if err != nil {
		if !isTrue(optional) || !apierrors.IsNotFound(err) {
			return err
		}
		c = &corev1.Secret{}
	}
	return f.keys(c.Data, items, optional, d, "references non-existent secret key: %s")
}

// keys takes all keys, or those that items name.
func (f Files) keys(content map[string][]byte, items []corev1.KeyToPath, optional *bool, d defaults, missing string) error {
	if len(items) == 0 {
		for key, data := range content {
			f.add(key, data, d, nil, nil)
		}
	}
	for _, item := range items {
		data, ok := content[item.Key]
		switch {
		case ok:
			f.add(item.Path, data, d, item.Mode, item.User)
		case !isTrue(optional):
			return fmt.Errorf(missing, item.Key)
		}
	}
	return nil
}

func (f Files) fields(s Sources, items []corev1.DownwardAPIVolumeFile, d defaults) error {
	var errs []error
	for i := range items {
		item := &items[i]
		var text string
		var err error
		switch {
		case item.FieldRef != nil:
			text, err = s.Field(item.FieldRef.FieldPath)
		case item.ResourceFieldRef != nil:
			text, err = s.Resource(item.ResourceFieldRef)
		}
		errs = append(errs, err)
		f.add(item.Path, []byte(text), d, item.Mode, item.User)
	}
	return errors.Join(errs...)
}

func (f Files) add(name string, data []byte, d defaults, mode *int32, user *int64) {
	file := File{Data: data, Mode: 0o644, User: d.user}
	if d.mode != nil {
		file.Mode = uint32(*d.mode)
	}
	if mode != nil {
		file.Mode = uint32(*mode)
	}
	if user != nil {
		file.User = user
	}
	f[path.Clean(name)] = file
}

func isTrue(b *bool) bool { return b != nil && *b }
