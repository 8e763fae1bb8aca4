package state

import (
	"path/filepath"

	"k8s.io/apimachinery/pkg/types"
)

// Names in Run/containers/<id> and Run/pods/<uid>, with what is promised of each.
const (
	configName     = "config.json" // the OCI runtime specification; written once the container runs
	containerState = "state.json"  // its process and the like; the last file written
	stdoutName     = "stdout"      // FIFO that the container writes to and holds open
	stderrName     = "stderr"      // likewise
	stdinName      = "stdin"       // FIFO that the container reads, if it is to
	stagingName    = "staging"     // Run: an empty folder; what is mounted on it is seen in containers' namespaces for a moment
	shmName        = "shm"         // a tmpfs, mounted in M only: the Pod's /dev/shm
	etcName        = "etc"         // another small one: its containers write to what is in it
	hostsName      = "hosts"       // the Pod's /etc/hosts
	hostnameName   = "hostname"    // the Pod's /etc/hostname
	resolvConfName = "resolv.conf" // the Pod's /etc/resolv.conf
	aptName        = "apt.conf"    // for the Pod's containers with apt, if there is a single id
	sandboxName    = "sandbox.json"
)

// Staging is where root file systems are attached for the moment before they become the root.
func (p Paths) Staging() string { return filepath.Join(p.Run, stagingName) }

// ContainerConfig is the container's OCI specification.
func (p Paths) ContainerConfig(id string) string {
	return filepath.Join(p.ContainerRun(id), configName)
}

// ContainerState is what the runtime notes of a container.
func (p Paths) ContainerState(id string) string {
	return filepath.Join(p.ContainerRun(id), containerState)
}

// ContainerStdout and ContainerStderr are the container's FIFOs.
func (p Paths) ContainerStdout(id string) string {
	return filepath.Join(p.ContainerRun(id), stdoutName)
}

// ContainerStderr is the FIFO of stderr.
func (p Paths) ContainerStderr(id string) string {
	return filepath.Join(p.ContainerRun(id), stderrName)
}

// ContainerStdin is the FIFO of stdin.
func (p Paths) ContainerStdin(id string) string {
	return filepath.Join(p.ContainerRun(id), stdinName)
}

// PodShm is the folder at the Pod's /dev/shm.
func (p Paths) PodShm(uid types.UID) string { return filepath.Join(p.PodRun(uid), shmName) }

// PodEtc is the folder of the files at the Pod's /etc.
func (p Paths) PodEtc(uid types.UID) string { return filepath.Join(p.PodRun(uid), etcName) }

// PodHosts is the file at the Pod's /etc/hosts.
func (p Paths) PodHosts(uid types.UID) string { return filepath.Join(p.PodEtc(uid), hostsName) }

// PodHostname is the file at the Pod's /etc/hostname.
func (p Paths) PodHostname(uid types.UID) string { return filepath.Join(p.PodEtc(uid), hostnameName) }

// PodResolvConf is the file at the Pod's /etc/resolv.conf.
func (p Paths) PodResolvConf(uid types.UID) string {
	return filepath.Join(p.PodEtc(uid), resolvConfName)
}

// PodApt is the file that tells apt of a single id.
func (p Paths) PodApt(uid types.UID) string { return filepath.Join(p.PodEtc(uid), aptName) }

// PodSandbox is what is noted of the Pod's pause.
func (p Paths) PodSandbox(uid types.UID) string { return filepath.Join(p.PodRun(uid), sandboxName) }
