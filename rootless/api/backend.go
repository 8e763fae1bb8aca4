package api

import (
	"context"
	"io"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/peapod/peapod/rootless/kube"
)

// Backend is what the handlers need of the node. Errors that a client should see with a particular HTTP status are
// those of k8s.io/apimachinery/pkg/api/errors; any other error is answered with 500.
//
// Objects handed out are the caller's own: the node keeps no reference to them.
type Backend interface {
	ObjectBackend
	// ListEvents returns the events of a namespace (all if empty), oldest first.
	ListEvents(namespace string) (*corev1.EventList, error)
	// WatchEvents delivers the events of a namespace (all if empty) that are newer than a list's version, and those to come, until the context ends, when
	// the channel is closed: ADDED, or MODIFIED when one is counted again.
	WatchEvents(ctx context.Context, namespace, resourceVersion string) <-chan watch.Event

	// Logs streams a container's log as plain bytes (the CRI prefix is removed, or turned into a timestamp if asked for).
	// With Follow the stream ends when the container will not write any more, or with the context.
	Logs(ctx context.Context, namespace, name string, options *corev1.PodLogOptions) (io.ReadCloser, error)
	// Exec runs a command in a running container until it ends and returns its exit code (128+n when killed by
	// signal n). An error means that the command did not run.
	Exec(ctx context.Context, namespace, name string, request ExecRequest) (exitCode int, err error)

	// Attach connects a client with the first process of a running container. It returns when that has ended, or with the context; the
	// container goes on then. Output begins with what comes from now on; a client that is slower than the container misses some.
	Attach(ctx context.Context, namespace, name string, request AttachRequest) error

	// DialPort connects to a port of a running Pod from inside: on its own loopback.
	DialPort(ctx context.Context, namespace, name string, port uint16) (net.Conn, error)

	// Containers describes every container of every Pod, each Pod's pause first; it is what ps and inspect show.
	Containers() ([]Container, error)
	ImageBackend
	// Version tells the node's version, engine choices and directories.
	Version() Version
	// Shutdown ends the node. The Pods stay as they are.
	Shutdown()
}

// ApplyOptions are the query parameters of a server-side apply that this node knows.
type ApplyOptions struct {
	FieldManager string
	DryRun       bool // validate and answer, store nothing
}

// ApplyResult is the outcome of an apply.
type ApplyResult struct {
	Object   kube.Object
	Outcome  Outcome
	Warnings []string
}

// Outcome says what an apply did.
type Outcome string

// The outcomes, in the words kubectl prints.
const (
	Created    Outcome = "created"
	Configured Outcome = "configured"
	Unchanged  Outcome = "unchanged"
)

// ExecRequest is one command to run in a container. When the context ends, the command is killed, unless the context's cause is
// ErrDetached.
type ExecRequest struct {
	Container string // empty: the Pod's default container
	Command   []string
	Streams
}

// AttachRequest is one session with a container.
type AttachRequest struct {
	Container string // empty: the Pod's default container
	Streams
}

// Streams are the client's ends of a session. Those that are nil are not connected. With TTY, Stderr is nil and everything comes
// through Stdout.
type Streams struct {
	TTY    bool
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Resize <-chan TerminalSize // closed when no more sizes come; nil without TTY
}

// TerminalSize is a terminal's size in characters. The field names are those of the remote command protocol.
type TerminalSize struct {
	Width  uint16
	Height uint16
}

// Container describes one container, in the shape of `docker inspect` as far as the two agree.
type Container struct {
	ID              string
	Name            string // k8s_<container>_<pod>_<namespace>_<uid>_<attempt>; the pause's container name is POD
	Created         time.Time
	Path            string   // the program started
	Args            []string // its arguments
	State           ContainerState
	Image           string // image id
	ImageName       string // as the Pod names it
	RestartCount    int
	Pod             PodReference
	ContainerName   string // as the Pod names it; POD for the pause
	LogPath         string
	Bundle          string // folder of the OCI config.json; empty for the pause
	NetworkSettings NetworkSettings
}

// ContainerState is the state of a container's first process.
type ContainerState struct {
	Status     string // created, running or exited
	Running    bool
	Pid        int // in the host's pid namespace; 0 when not running
	ExitCode   int
	Error      string
	StartedAt  time.Time
	FinishedAt time.Time
}

// PodReference names the Pod a container belongs to.
type PodReference struct {
	Namespace string
	Name      string
	UID       string
}

// NetworkSettings are the addresses of the container's Pod.
type NetworkSettings struct {
	IPAddress         string
	GlobalIPv6Address string
	Gateway           string
	IPv6Gateway       string
}

// Version describes the node.
type Version struct {
	Version    string // of peapod
	GitCommit  string
	GoVersion  string
	Platform   string
	Kubernetes string // the API version whose shapes the node speaks
	Pid        int
	DataDir    string
	RunDir     string
	ImageStore string
	Network    string // engine in use
}
