package netstack

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/relay"
)

// An engine carries the flows between Pods and what is outside the ranges. It starts when it is opened.
type engine interface {
	// Name is what a user calls it.
	Name() string
	// Drop ends the flows of a Pod that is gone.
	Drop(pod Addrs)
	// Close ends all flows.
	Close() error
}

type relayEngine struct {
	relay *relay.Relay
}

// openRelayEngine listens first and then leads flows to the new ports, so that a hub that was left behind loses nothing more.
func openRelayEngine(h *Hub) (engine, error) {
	r, err := relay.Open(relay.Config{
		InHub: h.thread.do,
		Dial: func(ctx context.Context, network string, _, dst netip.AddrPort) (net.Conn, error) {
			if err := refuse(dst.Addr(), h.v4, h.v6); err != nil {
				return nil, err
			}
			return hostDialer.DialContext(ctx, network, dst.String())
		},
		Limits: relay.LimitsFor(openFilesLimit()),
		Log:    h.cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	err = h.thread.do(func() error { return installRules(h.v4, h.v6, r.Ports()) })
	if err != nil {
		_ = r.Close()
		return nil, err
	}
	return relayEngine{r}, nil
}

func (e relayEngine) Name() string { return "relay" }

func (e relayEngine) Drop(pod Addrs) {
	e.relay.Drop(pod.V4)
	e.relay.Drop(pod.V6)
}

func (e relayEngine) Close() error { return e.relay.Close() }

// hostDialer dials for Pods. SO_BROADCAST, which package net sets, is taken away: a Pod must not reach all machines of
// the host's network at once.
var hostDialer = net.Dialer{
	Timeout: 2 * time.Minute,
	Control: func(_, _ string, c syscall.RawConn) error {
		return onSocket(c, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 0) })
	},
}

// dnsSockets have a fixed port. SO_REUSEPORT lets the next process have it while the last one is still being cleared away.
var dnsSockets = net.ListenConfig{
	Control: func(_, _ string, c syscall.RawConn) error {
		return onSocket(c, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	},
}

func onSocket(c syscall.RawConn, set func(fd int) error) error {
	var result error
	if err := c.Control(func(fd uintptr) { result = set(int(fd)) }); err != nil {
		return err
	}
	return result
}

func openFilesLimit() uint64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	return limit.Cur
}
