package node

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/peapod/peapod/rootless/container"
	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/lifecycle"
	"github.com/peapod/peapod/rootless/volume"
)

// volumes guards a Pod's volumes: one change at a time, and none after their end.
type volumes struct {
	mu      sync.Mutex
	mounted bool // the folder of the Pod's mounts is there
	ended   bool
	fetches map[string]*fetch // by volume: images that were not there
}

// mountVolumes answers lifecycle.MountVolumes. A volume that fails does not keep others from being there.
func (p *pod) mountVolumes(object *corev1.Pod) lifecycle.Event {
	p.volumes.mu.Lock()
	defer p.volumes.mu.Unlock()
	var failures []lifecycle.VolumeFailure
	for i := range object.Spec.Volumes {
		v := &object.Spec.Volumes[i]
		if err := p.mountVolume(object, v); err != nil {
			failures = append(failures, lifecycle.VolumeFailure{Volume: v.Name, Err: failure(err)})
		}
	}
	if len(failures) > 0 {
		return lifecycle.VolumesFailed{Failures: failures}
	}
	return lifecycle.VolumesReady{}
}

// errComing says that what a volume needs is on its way, and that lifecycle.VolumeSourceChanged will be posted.
var errComing = errors.New("it is being fetched")

func failure(err error) string {
	if errors.Is(err, errComing) {
		return ""
	}
	return err.Error()
}

// mountVolume makes one volume, or brings it up to date. Done again, it changes nothing else.
func (p *pod) mountVolume(object *corev1.Pod, v *corev1.Volume) error {
	owner, err := p.volumeOwner(object)
	if err != nil {
		return err
	}
	mounts := p.node.paths.PodVolumes(p.uid)
	if onMounts(v) || shared(object, v.Name) {
		if err := volume.Mounts(mounts); err != nil {
			return err
		}
		p.volumes.mounted = true
	}
	at := p.place(v)
	switch {
	case v.EmptyDir != nil:
		if mode := v.EmptyDir.Mode; mode != nil {
			owner.Mode = uint32(*mode)
		}
		if v.EmptyDir.Medium == corev1.StorageMediumMemory {
			err = volume.Memory(at, memorySize(object, v.EmptyDir), owner)
		} else {
			err = volume.EmptyDir(at, owner)
		}
	case v.HostPath != nil:
		err = volume.CheckHostPath(at, *v.HostPath.Type)
	case v.PersistentVolumeClaim != nil, v.Ephemeral != nil:
		err = p.mountClaim(object, v, owner)
	case v.Image != nil:
		err = p.mountImage(object, v)
	default:
		err = p.project(object, v, owner)
	}
	if err == nil && shared(object, v.Name) {
		err = volume.Share(sharedPlace(mounts, v.Name), at)
	}
	return err
}

// volumeOwner is whom the Pod's volumes belong to. With a single id there is nobody else.
func (p *pod) volumeOwner(object *corev1.Pod) (owner volume.Owner, err error) {
	s := object.Spec.SecurityContext
	if s == nil || s.FSGroup == nil || p.node.maps.Single() {
		return owner, nil
	}
	owner.Group = s.FSGroup
	return owner, p.node.maps.Contain(0, uint32(*s.FSGroup))
}

// onMounts tells whether a volume has something in the folder of the Pod's mounts: all but folders on a disk.
func onMounts(v *corev1.Volume) bool {
	return v.HostPath == nil && (v.EmptyDir == nil || v.EmptyDir.Medium == corev1.StorageMediumMemory)
}

// place is where a volume is.
func (p *pod) place(v *corev1.Volume) string {
	claim := kube.ClaimOf(p.name, v)
	switch {
	case v.HostPath != nil:
		return v.HostPath.Path
	case claim != nil:
		return p.node.paths.Claim(p.namespace, claim.ClaimName)
	case onMounts(v):
		return filepath.Join(p.node.paths.PodVolumes(p.uid), v.Name)
	}
	return filepath.Join(p.node.paths.PodData(p.uid), v.Name)
}

// sharedPlace is where the containers of a Pod see each other's mounts in a volume. A volume's name has no dot.
func sharedPlace(mounts, name string) string { return filepath.Join(mounts, name+".shared") }

// shared tells whether a container may make mounts in a volume that the others see.
func shared(object *corev1.Pod, name string) bool {
	return slices.ContainsFunc(kube.Containers(object), func(c *corev1.Container) bool {
		return slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool {
			return m.Name == name && m.MountPropagation != nil && *m.MountPropagation == corev1.MountPropagationBidirectional
		})
	})
}

// memorySize is the size of a tmpfs: what the volume says, at most what the Pod may use as a whole, or its containers may together if all of them have
// a limit.
func memorySize(object *corev1.Pod, e *corev1.EmptyDirVolumeSource) int64 {
	var size int64
	if e.SizeLimit != nil {
		size = e.SizeLimit.Value()
	}
	together := memoryLimit(object)
	if size == 0 || together == 0 {
		return max(size, together)
	}
	return min(size, together)
}

// memoryLimit is what a Pod may use of the memory; 0: any amount.
func memoryLimit(object *corev1.Pod) (together int64) {
	if r := object.Spec.Resources; r != nil && !r.Limits.Memory().IsZero() {
		return r.Limits.Memory().Value()
	}
	for i := range object.Spec.Containers {
		limit := object.Spec.Containers[i].Resources.Limits.Memory().Value()
		if limit == 0 {
			return 0
		}
		together += limit
	}
	return together
}

// endVolumes takes the Pod's volumes off and removes those that go with it.
func (p *pod) endVolumes() error {
	p.volumes.mu.Lock()
	defer p.volumes.mu.Unlock()
	p.volumes.ended = true
	return p.node.removeVolumes(p.uid)
}

// dropVolumes answers lifecycle.RemoveVolumes.
func (p *pod) dropVolumes() lifecycle.Event {
	p.volumes.mu.Lock()
	defer p.volumes.mu.Unlock()
	if p.volumes.ended {
		return nil
	}
	p.volumes.mounted = false
	if err := p.node.emptyVolumes(p.uid); err != nil {
		p.log.Error("remove the volumes of a Pod that is over", "error", err)
	}
	return nil
}

// emptyVolumes takes off a Pod's volumes and removes those that go with it. As long as something is mounted there, which may be a folder of
// the user's, nothing is removed.
func (n *Node) emptyVolumes(uid types.UID) error {
	if err := volume.Unmount(n.paths.PodVolumes(uid)); err != nil {
		return err
	}
	return os.RemoveAll(n.paths.PodData(uid))
}

// removeVolumes does the same and removes the Pod's runtime directory, which they are in.
func (n *Node) removeVolumes(uid types.UID) error {
	if err := n.emptyVolumes(uid); err != nil {
		return err
	}
	return os.RemoveAll(n.paths.PodRun(uid))
}

// removeStrayVolumes removes folders of Pods that are no more.
func (n *Node) removeStrayVolumes(known map[string]bool) error {
	entries, err := os.ReadDir(n.paths.PodsData())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if !known[e.Name()] {
			err = errors.Join(err, os.RemoveAll(n.paths.PodData(types.UID(e.Name()))))
		}
	}
	return err
}

// volumeParts finds what a container mounts, and takes it by its descriptor. The caller closes the files, which are by destination.
func (p *pod) volumeParts(object *corev1.Pod, c *corev1.Container, env []string) (mounts []container.VolumeMount, files map[string]*os.File, err error) {
	files = map[string]*os.File{}
	defer func() {
		if err != nil {
			closeAll(files)
		}
	}()
	for i := range c.VolumeMounts {
		m := &c.VolumeMounts[i]
		at := slices.IndexFunc(object.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name })
		v := &object.Spec.Volumes[at] // kube.Validate
		subPath, err := kube.SubPath(m, env)
		if err != nil {
			return nil, files, err
		}
		place := p.place(v)
		if shared(object, v.Name) {
			place = sharedPlace(p.node.paths.PodVolumes(p.uid), v.Name)
		}
		tree, path, err := openPart(place, subPath)
		if err != nil {
			return nil, files, err
		}
		destination := kube.MountPoint(m)
		if covered := files[destination]; covered != nil { // /a and /a/, of which the second hides the first
			covered.Close()
			mounts = slices.DeleteFunc(mounts, func(m container.VolumeMount) bool { return m.Destination == destination })
		}
		files[destination] = tree
		mounts = append(mounts, container.VolumeMount{Destination: destination, Source: path, Options: mountOptions(m, v)})
	}
	return mounts, files, nil
}

func openPart(place, subPath string) (tree *os.File, path string, err error) {
	part, err := volume.Open(place, subPath)
	if err != nil {
		return nil, "", err
	}
	defer part.File.Close()
	tree, err = part.Tree()
	return tree, part.Path, err
}

func closeAll(files map[string]*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// mountOptions are those of a container's mount of a volume. Volumes of files are read-only, as in a cluster.
func mountOptions(m *corev1.VolumeMount, v *corev1.Volume) []string {
	options := slices.Clone(m.BindMountOptions)
	recursive := m.RecursiveReadOnly != nil && *m.RecursiveReadOnly != corev1.RecursiveReadOnlyDisabled // the kernel always can (mount_setattr, Linux 5.12)
	switch {
	case m.ReadOnly && recursive:
		options = append(options, "rro")
	case m.ReadOnly || readOnly(v):
		options = append(options, "ro")
	}
	propagation := corev1.MountPropagationNone
	if m.MountPropagation != nil {
		propagation = *m.MountPropagation
	}
	if v.Image != nil {
		options = append(options, "noexec")
	}
	switch propagation {
	case corev1.MountPropagationBidirectional:
		return append(options, "rshared")
	case corev1.MountPropagationHostToContainer:
		return append(options, "rslave")
	}
	return append(options, "rprivate")
}

func readOnly(v *corev1.Volume) bool {
	return volume.IsProjection(&v.VolumeSource) || v.Image != nil || v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ReadOnly
}
