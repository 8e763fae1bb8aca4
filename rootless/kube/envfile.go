package kube

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// maxEnvFile is how much of a file is read for one variable. It belongs to containers, and the kernel takes no variable of more than 128 KiB anyway.
const maxEnvFile = 1 << 20

// fileValue is what a fileKeyRef refers to. A value that is empty counts as none, as with the kubelet. A file that is not there is as good as a
// missing key, as the API's documentation says.
func fileValue(ref *corev1.FileKeySelector, sources *Sources) (value string, found bool, err error) {
	file, err := sources.File(ref.VolumeName, ref.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && isTrue(ref.Optional):
		return "", false, nil
	case err != nil:
		return "", false, fmt.Errorf("couldn't parse env file: %w", err)
	}
	defer file.Close()
	value, err = envFileValue(file, ref.Key)
	switch {
	case err != nil:
		return "", false, fmt.Errorf("couldn't parse env file: %s: %w", ref.Path, err)
	case value == "" && !isTrue(ref.Optional):
		return "", false, fmt.Errorf("environment variable key %q not found in file %q", ref.Key, ref.Path)
	}
	return value, value != "", nil
}

// envFileValue looks for a key in a file of the kubelet's format (kubernetes/pkg/kubelet/util/env), which a POSIX shell reads in the same way:
//
//	# a comment
//	NAME='value'    # anything up to the next quote, over several lines if need be; nothing in it is expanded
//	OTHER= 'value'  # is empty
//
// It reads no further than the key, so what is wrong after it goes unseen.
func envFileValue(r io.Reader, key string) (string, error) {
	f := &envFile{lines: bufio.NewScanner(&bounded{r, maxEnvFile})}
	for f.next() {
		line := strings.TrimLeft(f.lines.Text(), blanks)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, err := f.assignment(line)
		if err != nil || name == key {
			return value, err
		}
	}
	return "", f.lines.Err()
}

const blanks = " \t"

type envFile struct {
	lines  *bufio.Scanner
	number int // of the line, from 1
}

func (f *envFile) next() bool {
	f.number++
	return f.lines.Scan()
}

func (f *envFile) wrong(what string) error {
	return fmt.Errorf("invalid environment variable format at line %d: %s", f.number, what)
}

// assignment reads NAME='value' and the further lines of the value.
func (f *envFile) assignment(line string) (name, value string, err error) {
	name, rest, found := strings.Cut(line, "=")
	switch plain := strings.TrimRight(name, blanks); {
	case !found:
		return "", "", f.wrong("missing '='")
	case plain == "":
		return "", "", f.wrong("empty variable name")
	case plain != name:
		return "", "", f.wrong("whitespace before '=' is not allowed")
	case strings.TrimLeft(rest, blanks) != rest:
		return name, "", nil
	case !strings.HasPrefix(rest, "'"):
		return "", "", f.wrong("value must be enclosed in single quotes")
	}
	value, err = f.quoted(rest[1:])
	return name, value, err
}

// quoted reads up to the closing quote.
func (f *envFile) quoted(rest string) (string, error) {
	began := f.number
	var value strings.Builder
	for {
		part, after, closed := strings.Cut(rest, "'")
		value.WriteString(part)
		if closed {
			if after = strings.TrimLeft(after, blanks); after != "" && after[0] != '#' {
				return "", f.wrong("unexpected content after closing quote")
			}
			return value.String(), nil
		}
		value.WriteByte('\n')
		if !f.next() {
			if err := f.lines.Err(); err != nil {
				return "", err
			}
			return "", fmt.Errorf("invalid environment variable format starting at line %d: unclosed single quote", began)
		}
		rest = f.lines.Text()
	}
}

// bounded fails where a longer file goes on.
type bounded struct {
	io.Reader
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, fmt.Errorf("more than %d bytes", maxEnvFile)
	}
	n, err := b.Reader.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

func validateFileKeyRef(ref *corev1.FileKeySelector, path *field.Path) field.ErrorList {
	errs := required(ref.Key, path.Child("key"))
	if ref.Key != "" {
		errs = append(errs, invalid(path.Child("key"), ref.Key, validation.IsRelaxedEnvVarName(ref.Key))...)
	}
	if errs = append(errs, required(ref.VolumeName, path.Child("volumeName"))...); ref.VolumeName != "" {
		errs = append(errs, invalid(path.Child("volumeName"), ref.VolumeName, validation.IsDNS1123Label(ref.VolumeName))...)
	}
	errs = append(errs, required(ref.Path, path.Child("path"))...)
	return append(errs, validateNoBacksteps(ref.Path, path.Child("path"))...)
}

// validateFileVolumes wants the files of a container's variables to be in emptyDirs.
func validateFileVolumes(c *corev1.Container, volumes []corev1.Volume, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i := range c.Env {
		from := c.Env[i].ValueFrom
		if from == nil || from.FileKeyRef == nil {
			continue
		}
		name, at := from.FileKeyRef.VolumeName, path.Index(i).Child("valueFrom", "fileKeyRef", "volumeName")
		if v := volumeNamed(volumes, name); v == nil {
			errs = append(errs, field.NotFound(at, name))
		} else if v.EmptyDir == nil {
			errs = append(errs, field.Invalid(at, name, "referenced volume must be of type emptyDir"))
		}
	}
	return errs
}

// volumeNamed is the last volume of that name, as with the API server; nil if there is none.
func volumeNamed(volumes []corev1.Volume, name string) *corev1.Volume {
	for i := len(volumes) - 1; i >= 0; i-- {
		if volumes[i].Name == name {
			return &volumes[i]
		}
	}
	return nil
}
