package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	corev1 "k8s.io/api/core/v1"
)

// hostPathKinds are the types that demand something, with the kubelet's word for it.
var hostPathKinds = map[corev1.HostPathType]struct {
	word string
	mode fs.FileMode // of type bits
}{
	corev1.HostPathDirectory: {"directory", fs.ModeDir}, corev1.HostPathDirectoryOrCreate: {"directory", fs.ModeDir},
	corev1.HostPathFile: {"file", 0}, corev1.HostPathFileOrCreate: {"file", 0},
	corev1.HostPathSocket: {"socket file", fs.ModeSocket}, corev1.HostPathCharDev: {"character device", fs.ModeDevice | fs.ModeCharDevice},
	corev1.HostPathBlockDev: {"block device", fs.ModeDevice},
}

// CheckHostPath looks whether a path of the host is what a hostPath volume of that type wants, and makes what may be made. Errors are
// the kubelet's (kubernetes/pkg/volume/hostpath). Without a type, whatever is there is good; if nothing is, a folder is made, as the
// kubelet's runtimes do.
func CheckHostPath(path string, kind corev1.HostPathType) error {
	info, err := os.Stat(path)
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case missing && (kind == corev1.HostPathUnset || kind == corev1.HostPathDirectoryOrCreate):
		return os.MkdirAll(path, 0o755)
	case missing && kind == corev1.HostPathFileOrCreate:
		f, err := os.OpenFile(path, os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		return f.Close()
	case kind == corev1.HostPathUnset:
		return err
	}
	want, known := hostPathKinds[kind]
	switch {
	case !known:
		return fmt.Errorf("%s is an invalid volume type", kind)
	case err != nil:
		return fmt.Errorf("hostPath type check failed, %s is not a %s, unable to determine its type: %w", path, want.word, err)
	case info.Mode().Type() != want.mode:
		return fmt.Errorf("hostPath type check failed: %s is not a %s, it's a %s", path, want.word, kindOf(info.Mode()))
	}
	return nil
}

// kindOf names what a file is, as the kubelet does.
func kindOf(mode fs.FileMode) corev1.HostPathType {
	for _, kind := range []corev1.HostPathType{
		corev1.HostPathDirectory, corev1.HostPathFile, corev1.HostPathSocket, corev1.HostPathCharDev, corev1.HostPathBlockDev,
	} {
		if mode.Type() == hostPathKinds[kind].mode {
			return kind
		}
	}
	return "only recognise file, directory, socket, block device and character device"
}
