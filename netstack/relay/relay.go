package relay

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/egress"
)

// Ports are what rules in the hub have to lead to: the ports of a tproxy rule by protocol and address family, and the numbers of
// the queues that hold SYNs and echo requests, which are zero if the kernel has no queues.
type Ports struct {
	TCP4, TCP6, UDP4, UDP6 uint16
	SYN, Echo              uint16
}

// A Relay serves one hub.
type Relay struct {
	cfg      egress.Config
	poller   *poller
	injector *injector
	sockets  []int // that flows come in by
	ports    Ports
	holds    *holds
	tcp      *egress.Registry
	udp      *flowTable[key, *udpFlow]
	echoes   *flowTable[echoKey, *echoFlow]
}

// Open listens in the hub, on ports and queues that are free there, and serves until Close.
func Open(cfg egress.Config) (*Relay, error) {
	cfg = cfg.WithDefaults()
	r := &Relay{
		cfg:    cfg,
		holds:  newHolds(cfg.Limits.DialPod),
		tcp:    egress.NewRegistry(cfg.Limits.TCP, cfg.Limits.TCPPod),
		udp:    newFlowTable[key, *udpFlow](cfg.Limits.UDP, cfg.Limits.UDPPod, cfg.Limits.UDPIdle),
		echoes: newFlowTable[echoKey, *echoFlow](cfg.Limits.ICMP, cfg.Limits.ICMPPod, cfg.Limits.ICMPIdle),
	}
	r.holds.answer = r.answerSYN
	var err error
	if r.poller, err = newPoller(); err != nil {
		return nil, fmt.Errorf("open relay: %w", err)
	}
	if err := cfg.InHub(r.listen); err != nil {
		_ = r.Close()
		return nil, fmt.Errorf("open relay: %w", err)
	}
	r.poller.start()
	return r, nil
}

// listen opens everything in the hub. It runs on a thread there.
func (r *Relay) listen() (err error) {
	if r.injector, err = openInjector(); err != nil {
		return fmt.Errorf("open raw sockets: %w", err)
	}
	for domain, port := range map[int]*uint16{unix.AF_INET: &r.ports.TCP4, unix.AF_INET6: &r.ports.TCP6} {
		l := &listener{relay: r}
		if l.fd, *port, err = openListener(domain); err == nil {
			err = r.serve(l.fd, l)
		}
		if err != nil {
			return err
		}
	}
	for domain, port := range map[int]*uint16{unix.AF_INET: &r.ports.UDP4, unix.AF_INET6: &r.ports.UDP6} {
		c := &receiver{relay: r}
		if c.fd, *port, err = openReceiver(domain); err == nil {
			err = r.serve(c.fd, c)
		}
		if err != nil {
			return err
		}
	}
	return r.openQueues()
}

// openQueues does without where the kernel has none.
func (r *Relay) openQueues() error {
	syns, err := openQueue(synCopied, synsQueued)
	if errors.Is(err, errors.ErrUnsupported) {
		r.cfg.Log.Info("the kernel has no packet queues: a refused connection of a pod is opened and then reset, and ping stays unanswered",
			"needs", "CONFIG_NETFILTER_NETLINK_QUEUE (module nfnetlink_queue)", "error", err)
		return nil
	}
	if err != nil {
		return err
	}
	r.ports.SYN = syns.number
	r.holds.verdict = syns.verdict
	if err := r.serve(syns.fd, &synQueue{relay: r, queue: syns}); err != nil {
		return err
	}
	echoes, err := openQueue(echoCopied, echoesQueued)
	if err != nil {
		return err
	}
	r.ports.Echo = echoes.number
	return r.serve(echoes.fd, &echoQueue{relay: r, queue: echoes})
}

// serve has a handler called for a descriptor that lives as long as the relay.
func (r *Relay) serve(fd int, h handler) error {
	r.sockets = append(r.sockets, fd)
	return r.poller.add(fd, packetEvents, h)
}

// Ports returns where it listens.
func (r *Relay) Ports() Ports { return r.ports }

// Drop resets all flows whose source has this address.
func (r *Relay) Drop(pod netip.Addr) {
	r.tcp.Abort(pod)
	r.udp.abort(pod)
	r.echoes.abort(pod)
}

// Close stops listening, resets all flows, and returns when nothing of the relay runs any more.
func (r *Relay) Close() error {
	r.tcp.Close()
	r.udp.close()
	r.echoes.close()
	r.poller.stopWorkers()
	for _, fd := range r.sockets {
		r.poller.closeFD(fd)
	}
	r.holds.close()
	if r.injector != nil {
		r.injector.close()
	}
	return r.poller.close()
}

// pause is what a listener waits when descriptors or memory are short: the same error would come back at once.
const pause = 50 * time.Millisecond

// trouble tells whether a listener may try again after an error, and waits a little if the error is not one of a single connection.
func (r *Relay) trouble(err error) (tryAgain bool) {
	switch {
	case errors.Is(err, unix.EAGAIN):
		return false
	case errors.Is(err, unix.ECONNABORTED), errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.EHOSTUNREACH):
		return true
	}
	r.cfg.Log.Warn("relay cannot take a flow", "error", err)
	time.Sleep(pause)
	return true
}
