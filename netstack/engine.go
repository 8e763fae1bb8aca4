package netstack

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/egress"
	"github.com/peapod/peapod/netstack/slirp"
)

// An engine carries the flows between Pods and what is outside the ranges. It starts when it is opened.
type engine interface {
	// Drop ends the flows of a Pod that is gone.
	Drop(pod Addrs)
	// Close ends all flows.
	Close() error
}

// An engineKind is one way to be an engine.
type engineKind struct {
	name string
	// open starts it in the hub; errors.ErrUnsupported is in the error when the kernel lacks what it needs.
	open func(*Hub, egress.Config) (engine, error)
	// clear takes out of the hub what an engine of this kind may have left in the kernel, before another kind is opened.
	// That nothing was there, or that the kernel has no such thing, is no error.
	clear func(*Hub) error
	// asked: it is taken only if the configuration names it.
	asked bool
}

// engineKinds in the order in which they are tried.
var engineKinds = []engineKind{
	{"relay", openRelayEngine, clearRelayEngine, false},
	{"gvisor", openGvisorEngine, clearGvisorEngine, false},
	{slirp.Slirp4netns.Name, openTapEngine(slirp.Slirp4netns), clearTapEngine, true},
	{slirp.Pasta.Name, openTapEngine(slirp.Pasta), clearTapEngine, true},
}

// startEngine takes the engine of the configuration, or the first that the kernel has all parts for.
func (h *Hub) startEngine() error {
	known := slices.ContainsFunc(engineKinds, func(k engineKind) bool { return k.name == h.cfg.Engine })
	if h.cfg.Engine != "" && !known {
		return fmt.Errorf("network engine %q: want one of %s", h.cfg.Engine, strings.Join(engineNames(), ", "))
	}
	var lacking []error
	for _, kind := range engineKinds {
		if h.cfg.Engine != "" && h.cfg.Engine != kind.name || h.cfg.Engine == "" && kind.asked {
			continue
		}
		err := h.start(kind)
		if err == nil {
			return nil
		}
		lacking = append(lacking, fmt.Errorf("network engine %s: %w", kind.name, err))
		if !errors.Is(err, errors.ErrUnsupported) {
			break
		}
	}
	return errors.Join(lacking...)
}

func (h *Hub) start(kind engineKind) (err error) {
	for _, other := range engineKinds {
		if other.name != kind.name {
			if err := other.clear(h); err != nil {
				return err
			}
		}
	}
	limits := egress.LimitsFor(openFilesLimit())
	limits.UDPIdle = h.cfg.udpIdle
	h.engine, err = kind.open(h, egress.Config{
		V4: h.v4, V6: h.v6,
		Gateway4: h.Gateway().V4, Gateway6: h.Gateway().V6,
		InHub:  h.thread.do,
		Permit: h.permit,
		Dial:   h.dialHost,
		Limits: limits,
		Log:    h.cfg.Log,
	})
	if err == nil {
		h.engineName = kind.name
	}
	return err
}

func engineNames() (names []string) {
	for _, kind := range engineKinds {
		names = append(names, kind.name)
	}
	return names
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
