package netstack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/rootless-containers/rootlesskit/v3/pkg/port"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/dns"
	"github.com/peapod/peapod/netstack/publish"
)

// Config says where the hub is and what it is like.
type Config struct {
	// Netns is the hub's network namespace. The caller needs CAP_NET_ADMIN and CAP_SYS_ADMIN in the user namespace that
	// owns it. Open duplicates the descriptor; the caller keeps his own.
	Netns *os.File
	// IPv4 and IPv6 are the ranges that the Pods' addresses come from. Where zero, the ranges that the hub already has stay,
	// and a new hub gets those of DefaultRanges. To ask a hub with ranges for other ones is an error.
	IPv4, IPv6 netip.Prefix
	// ResolvConf names the host's list of name servers; "/etc/resolv.conf" when empty. It is read again when it changes.
	ResolvConf string
	// ClusterDomain is the domain of Pod names; "cluster.local" when empty.
	ClusterDomain string
	// Engine names the engine: relay, gvisor, slirp4netns or pasta. When empty, the first of relay and gvisor that the kernel has all parts for.
	Engine string
	// Log gets what goes wrong later; nothing is logged when nil.
	Log *slog.Logger

	udpIdle time.Duration // after which a silent UDP flow ends; zero: as the limits have it. Tests have less time
}

func (c Config) withDefaults() Config {
	c.ResolvConf = cmp.Or(c.ResolvConf, "/etc/resolv.conf")
	c.ClusterDomain = cmp.Or(c.ClusterDomain, "cluster.local")
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// A Hub is an open hub. Its methods may be called from any goroutine, also at the same time.
type Hub struct {
	cfg        Config
	netns      *os.File
	thread     *thread
	links      *rtnl
	bridge     int32
	v4, v6     netip.Prefix
	engine     engine
	engineName string
	dns        *dns.Server
	ports      *publish.Manager
	sockets    *socketPool

	mu        sync.Mutex
	pool      *pool
	known     map[string]Endpoint
	leaving   map[string]bool  // ids of Pods that are being detached
	published map[string][]int // ids of ports, by the Pod's
	services  map[serviceKey]*balanced
	closed    bool

	publishing   sync.Mutex
	servicePorts map[port.Spec]int // ids of ports
}

// Open serves the hub in cfg.Netns, after setting up what is missing there. Pods that another process attached stay attached,
// and their addresses stay reserved; see Adopt. Two processes must not serve one hub for longer than it takes one to end.
//
// errors.ErrUnsupported is in the error when the kernel lacks what the engine needs.
func Open(cfg Config) (*Hub, error) {
	h := &Hub{cfg: cfg.withDefaults(), known: map[string]Endpoint{}, leaving: map[string]bool{}, published: map[string][]int{}, servicePorts: map[port.Spec]int{}}
	for _, step := range []func() error{h.enter, h.chooseRanges, h.setUpLinks, h.findPods, h.startEngine, h.startDNS, h.startPorts} {
		if err := step(); err != nil {
			_ = h.Close()
			return nil, fmt.Errorf("open network hub: %w", err)
		}
	}
	return h, nil
}

func (h *Hub) enter() error {
	fd, err := unix.FcntlInt(h.cfg.Netns.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("duplicate namespace descriptor: %w", err)
	}
	h.netns = os.NewFile(uintptr(fd), h.cfg.Netns.Name())
	if h.thread, err = startThread(h.netns); err != nil {
		return err
	}
	return h.thread.do(func() (err error) {
		h.links, err = openRtnl()
		return err
	})
}

// chooseRanges prefers what the hub has: the Pods there carry addresses of it, whatever the host's routes are by now.
func (h *Hub) chooseRanges() error {
	h.v4, h.v6 = h.cfg.IPv4.Masked(), h.cfg.IPv6.Masked()
	present, err := h.presentRanges()
	if err != nil {
		return err
	}
	for _, p := range present {
		chosen := &h.v4
		if p.Addr().Is6() {
			chosen = &h.v6
		}
		if chosen.IsValid() && *chosen != p {
			return fmt.Errorf("pod range: the hub uses %s already and cannot change to %s: delete its pods and the hub first", p, *chosen)
		}
		*chosen = p
	}
	if !h.v4.IsValid() || !h.v6.IsValid() {
		used, err := hostUses(h.cfg.ResolvConf)
		if err != nil {
			return err
		}
		v4, v6, err := DefaultRanges(used)
		if err != nil {
			return err
		}
		h.v4, h.v6 = cmp.Or(h.v4, v4), cmp.Or(h.v6, v6)
	}
	h.pool = newPool(h.v4, h.v6)
	return checkRanges(h.v4, h.v6)
}

func (h *Hub) presentRanges() ([]netip.Prefix, error) {
	bridge, err := h.links.link(bridgeName)
	if errors.Is(err, unix.ENODEV) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	present, err := h.links.addresses(bridge.index)
	for i := range present {
		present[i] = present[i].Masked()
	}
	return present, err
}

func (h *Hub) setUpLinks() error {
	gateway := h.pool.gateway()
	if err := h.thread.do(setSysctls(sysctlsBeforeBridge)); err != nil {
		return err
	}
	if err := h.links.do(newBridge(gateway.V4), linkUp(loopbackIndex)); err != nil {
		return err
	}
	bridge, err := h.links.link(bridgeName)
	if err != nil {
		return err
	}
	h.bridge = bridge.index
	messages := []*message{
		linkUp(h.bridge),
		newAddress(h.bridge, netip.PrefixFrom(gateway.V4, h.v4.Bits())),
		newAddress(h.bridge, netip.PrefixFrom(gateway.V6, h.v6.Bits())),
	}
	messages = append(messages, deliverLocally(unix.AF_INET)...)
	messages = append(messages, deliverLocally(unix.AF_INET6)...)
	if err := h.links.do(messages...); err != nil {
		return err
	}
	return h.thread.do(setSysctls(sysctlsAfterBridge))
}

// findPods reserves the addresses of the veths that are there, so that nobody else gets them before their Pods are
// adopted or detached.
func (h *Hub) findPods() error {
	all, err := h.links.links()
	if err != nil {
		return err
	}
	for _, l := range all {
		if l.master != h.bridge {
			continue
		}
		id, addrs, ok := parseAlias(l.alias)
		if !ok {
			h.cfg.Log.Warn("port of the hub without a pod's name", "link", l.name, "alias", l.alias)
			continue
		}
		if err := h.pool.reserve(id, addrs); err != nil {
			return fmt.Errorf("link %s: %w", l.name, err)
		}
	}
	return nil
}

func (h *Hub) startDNS() error {
	h.dns = dns.New(dns.Config{
		ResolvConf: h.cfg.ResolvConf,
		Domain:     h.cfg.ClusterDomain,
		Ranges:     []netip.Prefix{h.v4, h.v6},
		Log:        h.cfg.Log,
	})
	h.SetNames(nil)
	for _, addr := range []netip.Addr{h.Gateway().V4, h.Gateway().V6} {
		if err := h.serveDNS(netip.AddrPortFrom(addr, 53)); err != nil {
			return err
		}
	}
	return nil
}

func (h *Hub) serveDNS(at netip.AddrPort) error {
	return h.thread.do(func() error {
		packets, err := dnsSockets.ListenPacket(context.Background(), "udp", at.String())
		if err != nil {
			return fmt.Errorf("serve DNS: %w", err)
		}
		h.dns.ServePackets(packets)
		listener, err := dnsSockets.Listen(context.Background(), "tcp", at.String())
		if err != nil {
			return fmt.Errorf("serve DNS: %w", err)
		}
		h.dns.ServeStreams(listener)
		return nil
	})
}

// Gateway returns the hub's own addresses: the Pods' router and name server.
func (h *Hub) Gateway() Addrs { return h.pool.gateway() }

// Engine names what carries flows out of the hub.
func (h *Hub) Engine() string { return h.engineName }

// Ranges returns the two ranges in use.
func (h *Hub) Ranges() (v4, v6 netip.Prefix) { return h.v4, h.v6 }

// Close ends what this process does for the hub: relayed connections, published ports, name service, Dial. The hub and the Pods' links stay as
// they are. Close may be called again.
func (h *Hub) Close() error {
	h.mu.Lock()
	closed := h.closed
	h.closed = true
	h.mu.Unlock()
	if closed {
		return nil
	}
	var errs []error
	if h.dns != nil {
		errs = append(errs, h.dns.Close())
	}
	if h.ports != nil {
		errs = append(errs, h.ports.Close())
		h.sockets.close()
	}
	if h.engine != nil {
		errs = append(errs, h.engine.Close())
	}
	if h.thread != nil {
		h.thread.close()
	}
	if h.links != nil {
		h.links.close()
	}
	if h.netns != nil {
		errs = append(errs, h.netns.Close())
	}
	return errors.Join(errs...)
}
