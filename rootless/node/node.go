package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/peapod/peapod/image"
	"github.com/peapod/peapod/netstack"
	"github.com/peapod/peapod/rootless/api"
	"github.com/peapod/peapod/rootless/cgroup"
	"github.com/peapod/peapod/rootless/container"
	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/logs"
	"github.com/peapod/peapod/rootless/probe"
	"github.com/peapod/peapod/rootless/state"
	"github.com/peapod/peapod/rootless/userns"
)

// Options are what a node can be told on its command line.
type Options struct {
	Version   string // of peapod
	GitCommit string
	Debug     bool
	Rotation  logs.Rotation // of containers' logs
	// NetworkEngine forces one: see netstack.Config.
	NetworkEngine string
	// PodMaxPids bounds the processes and threads of a Pod, as the kubelet's podPidsLimit does; none if not positive.
	PodMaxPids int64
	// IPv4 and IPv6 are the ranges of the Pods' addresses; zero: see netstack.Config.
	IPv4, IPv6 netip.Prefix
	// Runtime runs Pods that name none; empty: peapod's own.
	Runtime string
}

// Node is a running node.
type Node struct {
	paths   state.Paths
	options Options
	log     *slog.Logger
	holder  *userns.Holder
	maps    userns.Maps

	images   *image.Store
	hub      *netstack.Hub
	runtime  *container.Runtime
	cgroups  *cgroup.Manager // nil: none are delegated
	db       *state.DB
	registry *registry
	prober   *probe.Client
	began    time.Time
	events   *eventLog
	name     string

	ctx      context.Context // ends with the node
	cancel   context.CancelFunc
	stopping chan struct{}  // closed when the loops are to end
	loops    sync.WaitGroup // the Pods' loops
	work     sync.WaitGroup // what they have begun

	endRequests context.CancelFunc // and after them the node

	applying sync.Mutex   // held from looking at a stored Pod to storing what becomes of it
	claiming sync.RWMutex // over the claims of images, see there

	connected connected // as the network knows Services; of the controllers' loop

	mu   sync.Mutex
	pods map[types.UID]*pod

	memoryTimer *time.Timer
}

// open prepares everything but the Pods.
func open(paths state.Paths, holder *userns.Holder, o Options) (n *Node, err error) {
	level := slog.LevelInfo
	if o.Debug {
		level = slog.LevelDebug
	}
	n = &Node{
		paths: paths, options: o, holder: holder, maps: holder.Maps,
		log:      slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})),
		stopping: make(chan struct{}), pods: map[types.UID]*pod{}, began: time.Now(),
	}
	n.prober = probe.NewClient(strings.TrimPrefix(kubernetesVersion[:strings.LastIndexByte(kubernetesVersion, '.')], "v"), n.dial)
	slog.SetDefault(n.log) // of packages that know no node
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.memoryTimer = time.AfterFunc(time.Hour, n.freeMemory)
	// Collecting less often makes requests faster; what a burst of them leaves is given back when it is over.
	debug.SetGCPercent(300)
	if n.name, err = os.Hostname(); err != nil {
		return nil, err
	}
	n.events = &eventLog{node: n.name}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	var group errgroup.Group
	group.Go(n.openImages)
	group.Go(n.openHub)
	group.Go(n.openState)
	group.Go(n.openCgroups)
	return n, group.Wait()
}

func (n *Node) openImages() (err error) {
	n.images, err = image.Open(image.Options{
		RootlessUID: n.maps.UIDs[0].HostID, RootlessGID: n.maps.GIDs[0].HostID, SingleID: n.maps.Single(),
	})
	return err
}

func (n *Node) openHub() error {
	netns, err := n.holder.HubNetns()
	if err != nil {
		return fmt.Errorf("open the hub's network namespace: %w", err)
	}
	defer netns.Close()
	n.hub, err = netstack.Open(netstack.Config{
		Netns: netns, Engine: n.options.NetworkEngine, IPv4: n.options.IPv4, IPv6: n.options.IPv6, Log: n.log,
	})
	return err
}

func (n *Node) openState() (err error) {
	if n.runtime, err = container.NewRuntime(n.paths, n.maps); err != nil {
		return err
	}
	if n.db, err = state.Open(n.paths.Database()); err != nil {
		return err
	}
	n.registry, err = newRegistry(n.db)
	return err
}

// serve adopts the Pods and answers until it is told to end.
func (n *Node) serve(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, n.close()) }()
	if err := n.foundNamespaces(); err != nil {
		return err
	}
	known, revision := n.registry.list(kube.Pods, "")
	if err := n.adopt(); err != nil {
		return err
	}
	n.loops.Add(1)
	go n.followSources(known, version(revision))
	n.loops.Add(1)
	go n.control()
	// A socket that is there is a dead node's: this one has the lock.
	if err := os.Remove(n.paths.NodeSocket()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", n.paths.NodeSocket())
	if err != nil {
		return err
	}
	ctx, n.endRequests = signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer n.endRequests()
	server := &http.Server{Handler: api.New(n, n.log), ErrorLog: slog.NewLogLogger(n.log.Handler(), slog.LevelWarn), BaseContext: func(net.Listener) context.Context { return ctx }}
	n.freeSoon()
	tell(readyWord)
	return answer(ctx, server, listener)
}

// answerTime is how long requests that are being answered may go on when the node ends.
const answerTime = 2 * time.Second

// answer serves requests until the context ends, and returns when those that had come have been answered, or their time is over.
func answer(ctx context.Context, server *http.Server, listener net.Listener) error {
	answered := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(answered)
		limited, cancel := context.WithTimeout(context.Background(), answerTime)
		defer cancel()
		if err := server.Shutdown(limited); err != nil {
			server.Close()
		}
	})
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-answered // Serve returns when Shutdown begins
	return nil
}

// Shutdown ends the node: first what requests have begun, then its own work. The Pods go on.
func (n *Node) Shutdown() { n.endRequests() }

// close ends the loops, then closes what open opened, be it all of it or not. Without Pods the holder ends too, and nothing of peapod is left running.
func (n *Node) close() error {
	n.cancel()
	close(n.stopping)
	n.loops.Wait()
	n.work.Wait()
	n.memoryTimer.Stop()
	var errs []error
	if n.hub != nil {
		errs = append(errs, n.hub.Close())
	}
	if n.db != nil {
		errs = append(errs, n.db.Close())
	}
	if n.images != nil {
		errs = append(errs, n.images.Close())
	}
	if pods, err := os.ReadDir(n.paths.PodsRun()); err == nil && len(pods) == 0 || errors.Is(err, os.ErrNotExist) {
		errs = append(errs, n.holder.Stop(), os.Remove(n.paths.Holder()))
	}
	return errors.Join(errs...)
}

// freeSoon gives memory back to the system when the present burst of work is over.
func (n *Node) freeSoon() { n.memoryTimer.Reset(2 * time.Second) }

// info is what a Pod can learn of this machine.
func (n *Node) info() kube.Node { return kube.Node{Name: n.name, IPs: hostIPs()} }

// hostIPs are the machine's addresses that others can reach it by, IPv4 first, at most one of each family.
func hostIPs() []string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var v4, v6 string
	for _, a := range addrs {
		ip, ok := a.(*net.IPNet)
		if !ok || !ip.IP.IsGlobalUnicast() {
			continue
		}
		if ip.IP.To4() != nil && v4 == "" {
			v4 = ip.IP.String()
		} else if ip.IP.To4() == nil && v6 == "" {
			v6 = ip.IP.String()
		}
	}
	var ips []string
	for _, ip := range []string{v4, v6} {
		if ip != "" {
			ips = append(ips, ip)
		}
	}
	return ips
}

// run starts a Pod's loop with its first events.
func (n *Node) run(p *pod) {
	n.mu.Lock()
	n.pods[p.uid] = p
	n.mu.Unlock()
	n.loops.Add(1)
	go p.loop()
}

// forget takes a Pod that has ended off the list.
func (n *Node) forget(p *pod) {
	n.mu.Lock()
	delete(n.pods, p.uid)
	n.mu.Unlock()
	n.freeSoon()
}

// find returns the loop of an object.
func (n *Node) find(object *corev1.Pod) *pod {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pods[object.UID]
}
