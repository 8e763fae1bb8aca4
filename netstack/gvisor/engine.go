package gvisor

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/peapod/peapod/netstack/egress"
)

// Config is what the engine needs beyond what each engine does.
type Config struct {
	egress.Config
	// Link is the index of the hub's bridge, MAC its address, MTU what it and each Pod's link take.
	Link int
	MAC  [6]byte
	MTU  uint32
	// Neighbour computes the MAC of a Pod from one of its addresses; false if no Pod can have it.
	Neighbour func(netip.Addr) (mac [6]byte, ok bool)
	// Gateway4 and Gateway6 are the hub's own addresses; they tell Pods what cannot be reached.
	Gateway4, Gateway6 netip.Addr
}

// An Engine serves one hub.
type Engine struct {
	cfg     Config
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	link    *link
	stack   *stack.Stack
	tcp     *egress.Registry
	dials   *attempts
	udp     *packetKind
	icmp    *packetKind
	turn    handover
	spared  sync.Map // keys are of type spared
	running sync.WaitGroup
}

// Open takes the Pods' packets from the bridge and serves until Close. errors.ErrUnsupported is in the error when the kernel lacks packet
// sockets.
func Open(cfg Config) (*Engine, error) {
	cfg.Config = cfg.Config.WithDefaults()
	e := &Engine{cfg: cfg, tcp: egress.NewRegistry(cfg.Limits.TCP, cfg.Limits.TCPPod), dials: newAttempts(cfg.Limits.TCP, cfg.Limits.DialPod)}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.udp, e.icmp = e.udpKind(), e.icmpKind()
	e.link = &link{mtu: cfg.MTU, self: cfg.MAC, neighbour: cfg.Neighbour}
	if err := cfg.InHub(e.openSockets); err != nil {
		return nil, err
	}
	if err := errors.Join(e.openStack(), e.turn.takeOver(cfg.InHub)); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	e.running.Go(e.turn.watchPrevious)
	e.running.Go(func() { e.turn.awaitNext(e.endPackets) })
	hush(cfg.Log)
	e.link.start()
	return e, nil
}

// openSockets runs on a thread in the hub.
func (e *Engine) openSockets() (err error) {
	if e.link.version4, err = openPacketSocket(e.cfg.Link, e.cfg.V4); err != nil {
		return err
	}
	if e.link.version6, err = openPacketSocket(e.cfg.Link, e.cfg.V6); err != nil {
		return errors.Join(err, e.link.version4.file.Close())
	}
	e.link.queue, err = e.link.version4.queue()
	return err
}

// endPackets leaves the flows of packets to another engine, which makes its own.
func (e *Engine) endPackets() {
	e.udp.table.Close()
	e.icmp.table.Close()
}

// A spared port of a Pod is not the engine's.
type spared struct {
	network string // tcp or udp
	from    netip.AddrPort
}

// Spare leaves to the hub's kernel what a Pod sends from a port, or no longer does. Flows that are there already stay.
func (e *Engine) Spare(network string, from netip.AddrPort, spare bool) {
	if spare {
		e.spared.Store(spared{network, from}, true)
	} else {
		e.spared.Delete(spared{network, from})
	}
}

func (e *Engine) spares(network string, from netip.AddrPort) bool {
	_, spares := e.spared.Load(spared{network, from})
	return spares
}

// Drop resets all flows whose source has this address.
func (e *Engine) Drop(pod netip.Addr) {
	e.tcp.Abort(pod)
	e.udp.table.Abort(pod)
	e.icmp.table.Abort(pod)
}

// Close takes no more packets, resets all flows, and returns when nothing of them runs any more. Connections that have ended keep their place in
// the stack for some moments, without anybody waiting for that.
func (e *Engine) Close() error {
	e.cancel()
	e.tcp.Close()
	e.endPackets()
	e.link.stop()
	e.turn.close()
	if e.stack != nil {
		e.endHandshakes()
		go e.stack.Wait()
	}
	return e.link.close()
}

// endHandshakes aborts what waits for a Pod's last word. The stack cannot be told to take no more of them, so one may begin just now.
func (e *Engine) endHandshakes() {
	ended := make(chan struct{})
	go func() {
		e.running.Wait()
		close(ended)
	}()
	for {
		e.stack.Close()
		select {
		case <-ended:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// addressOf turns the stack's kind of address into ours.
func addressOf(a tcpip.Address) netip.Addr {
	addr, _ := netip.AddrFromSlice(a.AsSlice())
	return addr
}
