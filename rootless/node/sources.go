package node

import (
	"io"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/volume"
)

// sources are what the variables of the Pod's containers come from, as things are now.
func (p *pod) sources(object *corev1.Pod, ips []string) kube.Sources {
	machine := p.node.info()
	machine.Allocatable = allocatable()
	return kube.Sources{
		Node: machine, PodIPs: ips,
		ConfigMap: func(name string) (*corev1.ConfigMap, error) {
			return lookUp[*corev1.ConfigMap](p, kube.ConfigMaps, "configmap", name)
		},
		Secret: func(name string) (*corev1.Secret, error) {
			return lookUp[*corev1.Secret](p, kube.Secrets, "secret", name)
		},
		File: func(name, path string) (io.ReadCloser, error) {
			at := slices.IndexFunc(object.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == name }) // kube.Validate
			return volume.OpenFile(p.place(&object.Spec.Volumes[at]), path)
		},
		Services: p.serviceVariables(),
	}
}

// lookUp finds an object in the Pod's namespace. The kubelet says `secret "x" not found`, where the API server says secrets.
func lookUp[T kube.Object](p *pod, kind *kube.Kind, singular, name string) (found T, err error) {
	o, err := p.node.registry.get(kind, p.namespace, name)
	if apierrors.IsNotFound(err) {
		return found, apierrors.NewNotFound(schema.GroupResource{Resource: singular}, name)
	}
	if err != nil {
		return found, err
	}
	return o.(T), nil
}

// allocatable is what the machine has. What cannot be found out is left out.
func allocatable() corev1.ResourceList {
	list := corev1.ResourceList{corev1.ResourceCPU: *resource.NewQuantity(int64(runtime.NumCPU()), resource.DecimalSI)}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		list[corev1.ResourceMemory] = *resource.NewQuantity(int64(info.Totalram)*int64(info.Unit), resource.BinarySI) //nolint:unconvert // 32 bits elsewhere
	}
	var disk unix.Statfs_t
	if unix.Statfs("/", &disk) == nil {
		list[corev1.ResourceEphemeralStorage] = *resource.NewQuantity(int64(disk.Blocks)*disk.Bsize, resource.BinarySI)
	}
	return list
}
