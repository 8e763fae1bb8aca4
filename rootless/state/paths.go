package state

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"k8s.io/apimachinery/pkg/types"
)

// Paths are the three directories of one user's peapod. The methods name what lies in them; no other place in the
// program puts such a name together.
//
//	Data    survives a reboot and may be large:     $XDG_DATA_HOME/peapod      ~/.local/share/peapod
//	State   survives a reboot, nice to have:        $XDG_STATE_HOME/peapod     ~/.local/state/peapod
//	Run     gone after a reboot, small, in memory:  $XDG_RUNTIME_DIR/peapod    /run/user/<uid>/peapod
type Paths struct {
	Data  string
	State string
	Run   string
}

// The names, with what is promised of each.
const (
	databaseName   = "state.db"        // Data: the API objects; durable once a call has returned, one node at a time
	containersName = "containers"      // Data: <id>/{upper,work}, the container's own layer; Run: <id>/, bundle and FIFOs of a container
	seccompName    = "seccomp"         // Data: profiles that the user puts there for seccompProfile type Localhost
	messageName    = "termination-log" // Data/containers/<id>: the container's last words; goes with the container
	upperName      = "upper"           // Data/containers/<id>: what the container wrote; goes with the container
	workName       = "work"            // Data/containers/<id>: overlay's scratch directory, same file system as upper
	volumesName    = "volumes"         // Run/pods/<uid>: a tmpfs with the Pod's volumes of files, and its mounts
	claimsName     = "claims"          // Data: <namespace>/<name>, the folder of a PersistentVolumeClaim; goes with the claim
	logName        = "log"             // State: pods/<namespace>_<name>_<uid>/<container>/<attempt>.log, the kubelet's layout under /var/log
	nodeLogName    = "node.log"        // State: the node's own words when nobody else keeps them
	podsName       = "pods"            // Run: <uid>/, everything the next node must know of a Pod; Data: <uid>/<volume>, emptyDirs; State/log: see logName
	socketName     = "node.sock"       // Run: the API; answered only while a node runs
	lockName       = "node.lock"       // Run: held by the running node, never removed
	holderName     = "holder.json"     // Run: the process that keeps the namespaces; true as long as that process lives
	kubeconfigName = "kubeconfig"      // Run: kubeconfig-<port>, a key to the API while `peapod proxy` serves it on that port
	factsName      = "pod.json"        // Run/pods/<uid>: the Pod's facts, replaced as a whole, may be one step behind
)

// DefaultPaths follows the XDG base directory specification (0.8): an unset, empty or relative variable counts as not
// given. Without a runtime directory it takes /run/user/<uid> if that belongs to uid, else /tmp/peapod-<uid>, which
// anyone could have made before: the caller makes it with mode 0700 and checks that uid owns it.
// home may be empty if the variables give all of it.
func DefaultPaths(getenv func(string) string, uid int, home string) (Paths, error) {
	under := func(variable, fallback string) (string, error) {
		if dir := getenv(variable); filepath.IsAbs(dir) {
			return filepath.Join(dir, "peapod"), nil
		}
		if !filepath.IsAbs(home) {
			return "", fmt.Errorf("find the directory for peapod's files: neither %s nor HOME is an absolute path; set one of them", variable)
		}
		return filepath.Join(home, fallback, "peapod"), nil
	}
	data, err := under("XDG_DATA_HOME", ".local/share")
	if err != nil {
		return Paths{}, err
	}
	state, err := under("XDG_STATE_HOME", ".local/state")
	if err != nil {
		return Paths{}, err
	}
	return Paths{Data: data, State: state, Run: runDir(getenv("XDG_RUNTIME_DIR"), uid)}, nil
}

func runDir(variable string, uid int) string {
	if filepath.IsAbs(variable) {
		return filepath.Join(variable, "peapod")
	}
	systemd := filepath.Join("/run/user", strconv.Itoa(uid))
	if info, err := os.Lstat(systemd); err == nil && info.IsDir() && ownedBy(info, uid) {
		return filepath.Join(systemd, "peapod")
	}
	return filepath.Join("/tmp", "peapod-"+strconv.Itoa(uid))
}

func ownedBy(info fs.FileInfo, uid int) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == uid
}

// Database is the file of Open.
func (p Paths) Database() string { return filepath.Join(p.Data, databaseName) }

// NodeSocket is where the node answers HTTP.
func (p Paths) NodeSocket() string { return filepath.Join(p.Run, socketName) }

// NodeLock is the file the running node holds a lock on.
func (p Paths) NodeLock() string { return filepath.Join(p.Run, lockName) }

// NodeLog is where a node in the background writes its log.
func (p Paths) NodeLog() string { return filepath.Join(p.State, nodeLogName) }

// Holder describes the process that keeps the user, mount and hub network namespaces.
func (p Paths) Holder() string { return filepath.Join(p.Run, holderName) }

// Kubeconfig leads a Kubernetes client to the API on a port of the loopback interface.
func (p Paths) Kubeconfig(port int) string {
	return filepath.Join(p.Run, kubeconfigName+"-"+strconv.Itoa(port))
}

// PodsRun holds one directory per Pod, named by its uid.
func (p Paths) PodsRun() string { return filepath.Join(p.Run, podsName) }

// PodRun is the Pod's runtime directory.
func (p Paths) PodRun(uid types.UID) string { return filepath.Join(p.PodsRun(), string(uid)) }

// PodFacts is the file of the Pod's facts.
func (p Paths) PodFacts(uid types.UID) string { return filepath.Join(p.PodRun(uid), factsName) }

// PodVolumes is where a Pod's mounts and volumes of files are.
func (p Paths) PodVolumes(uid types.UID) string { return filepath.Join(p.PodRun(uid), volumesName) }

// PodsData holds one directory per Pod that has something on the disk, named by its uid.
func (p Paths) PodsData() string { return filepath.Join(p.Data, podsName) }

// PodData has the emptyDir volumes of a Pod by name.
func (p Paths) PodData(uid types.UID) string { return filepath.Join(p.PodsData(), string(uid)) }

// Claim is the folder of a PersistentVolumeClaim.
func (p Paths) Claim(namespace, name string) string {
	return filepath.Join(p.Data, claimsName, namespace, name)
}

// ContainersRun holds one directory per container, named by its id.
func (p Paths) ContainersRun() string { return filepath.Join(p.Run, containersName) }

// ContainerRun is a container's runtime directory.
func (p Paths) ContainerRun(id string) string { return filepath.Join(p.ContainersRun(), id) }

// ContainersData holds one directory per container, named by its id.
func (p Paths) ContainersData() string { return filepath.Join(p.Data, containersName) }

// ContainerData is the directory of a container's own layer.
func (p Paths) ContainerData(id string) string { return filepath.Join(p.ContainersData(), id) }

// SeccompProfiles is the folder that Localhost profiles are named from; the user makes it.
func (p Paths) SeccompProfiles() string { return filepath.Join(p.Data, seccompName) }

// ContainerUpper is the upper directory of a container's overlay.
func (p Paths) ContainerUpper(id string) string { return filepath.Join(p.ContainerData(id), upperName) }

// ContainerMessage is the file in which a container may leave why it ends. It is where its layer is, so that it fills the same file system.
func (p Paths) ContainerMessage(id string) string {
	return filepath.Join(p.ContainerData(id), messageName)
}

// ContainerWork is the work directory of a container's overlay.
func (p Paths) ContainerWork(id string) string { return filepath.Join(p.ContainerData(id), workName) }

// Logs holds one directory per Pod.
func (p Paths) Logs() string { return filepath.Join(p.State, logName, podsName) }

// PodLogs is the directory of a Pod's logs, with one directory per container of the Pod.
func (p Paths) PodLogs(namespace, name string, uid types.UID) string {
	return filepath.Join(p.Logs(), namespace+"_"+name+"_"+string(uid))
}

// ContainerLog is the log of one instance of a container; attempt 0 is the first.
func (p Paths) ContainerLog(namespace, name string, uid types.UID, container string, attempt int32) string {
	return filepath.Join(p.PodLogs(namespace, name, uid), container, strconv.Itoa(int(attempt))+".log")
}

// Handler is where another runtime keeps what it knows of containers that peapod lets it run.
func (p Paths) Handler(name string) string { return filepath.Join(p.Run, "runtimes", name) }

// OCI holds the records of containers of the OCI command line, one directory each; see package oci.
func (p Paths) OCI() string { return filepath.Join(p.Run, "oci") }
