package netstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/egress"
	"github.com/peapod/peapod/netstack/relay"
	"github.com/peapod/peapod/netstack/slirp"
)

// tapName is the device of the hub that leads to a program of package slirp. While there is none, lastResort swallows what Pods send: it is silent, as with
// any engine that is away.
const (
	tapName    = "peapod-tap"
	lastResort = 1 << 16 // metric of the routes to nowhere
)

// A tapEngine has the hub's kernel forward to a program behind a tap device, with the address of the device as their source, whatever goes to the outside. What is
// not the outside but a matter of policy is carried by a relay: Services, the host's loopback, and what is closed.
type tapEngine struct {
	relay  relayEngine
	runner *slirp.Runner
}

func openTapEngine(program slirp.Program) func(*Hub, egress.Config) (engine, error) {
	return func(h *Hub, cfg egress.Config) (engine, error) {
		if err := errors.Join(program.Check(), clearTapEngine(h)); err != nil {
			return nil, err
		}
		r, err := relay.Open(cfg)
		if err != nil {
			return nil, err
		}
		e := tapEngine{relay: relayEngine{r}}
		if err := e.start(h, program); err != nil {
			_ = r.Close()
			return nil, errors.Join(err, clearTapEngine(h))
		}
		return e, nil
	}
}

// start leads flows to the relay and to the device, which then is made by the program. Forwarding is the first to come and the last to go: it tells that an engine of this kind
// was here.
func (e *tapEngine) start(h *Hub, program slirp.Program) (err error) {
	kept := h.keptFromTap(program.Network.Addr4, program.Network.Addr6)
	for _, step := range []func() error{
		setSysctls(forwarding("1")),
		func() error { return installTapRules(h.v4, h.v6, kept, e.relay.relay.Ports(), h.cfg.Log) },
		setSysctls(sysctlsOfMasquerading),
	} {
		if err := h.thread.do(step); err != nil {
			return err
		}
	}
	if err := h.links.do(blackhole(unix.AF_INET, lastResort), blackhole(unix.AF_INET6, lastResort)); err != nil {
		return err
	}
	e.runner, err = slirp.Start(slirp.Config{
		Program: program, Netns: h.netns, Device: tapName, MTU: linkMTU, Log: h.cfg.Log,
		SetUp: func(ctx context.Context) error { return h.setUpTap(ctx, program.Network) },
	})
	return err
}

// setUpTap gives a new tap device its addresses and makes it the way to the outside. IPv6 is off by default for links of the hub.
func (h *Hub) setUpTap(ctx context.Context, n slirp.Network) error {
	tap, err := h.awaitLink(ctx, tapName)
	if err != nil {
		return err
	}
	if err := h.thread.do(setSysctls([]sysctl{{"ipv6/conf/" + tapName + "/disable_ipv6", "0"}})); err != nil {
		return err
	}
	return h.links.do(
		setMTU(tap.index, linkMTU), linkUp(tap.index),
		newAddress(tap.index, n.Addr4), newAddress(tap.index, n.Addr6),
		tapRoute(tap.index, n.Gateway4), tapRoute(tap.index, n.Gateway6),
	)
}

// awaitLink waits for a link that another process makes.
func (h *Hub) awaitLink(ctx context.Context, name string) (link, error) {
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		l, err := h.links.link(name)
		if !errors.Is(err, unix.ENODEV) {
			return l, err
		}
		if ctx.Err() != nil {
			return l, ctx.Err()
		}
		if time.Now().After(deadline) {
			return l, fmt.Errorf("link %s: not there after %s", name, patience)
		}
	}
}

// clearTapEngine is done at once where no such engine was: the hub's kernel forwards for none but this.
func clearTapEngine(h *Hub) error {
	forwards := false
	err := h.thread.do(func() error {
		now, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
		forwards = strings.TrimSpace(string(now)) == "1"
		return err
	})
	if err != nil || !forwards {
		return err
	}
	if err := h.links.do(delLink(tapName), deleteBlackhole(unix.AF_INET), deleteBlackhole(unix.AF_INET6)); err != nil {
		return err
	}
	if err := h.thread.do(func() error { return removeRules(tapTable) }); err != nil {
		return err
	}
	return h.thread.do(setSysctls(forwarding("0")))
}

// Drop cannot end the flows that the program carries: it is not told of Pods. A process that ends has closed its connections, and what is silent times out.
func (e tapEngine) Drop(pod Addrs) { e.relay.Drop(pod) }

func (e tapEngine) Close() error { return errors.Join(e.runner.Close(), e.relay.Close()) }
