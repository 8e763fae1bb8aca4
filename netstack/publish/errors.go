package publish

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// An InUse says that somebody else has a port of the host. errors.Is finds EADDRINUSE in it.
type InUse struct {
	Port    netip.AddrPort // as it was asked for
	Network string         // tcp or udp
	By      string         // "pod default/web", "process 123 (nginx)", "a process of yours" …; empty if that cannot be known
}

// Error is worded like the scheduler's reason, which a cluster's user would read.
func (e *InUse) Error() string {
	s := fmt.Sprintf("node(s) didn't have free ports for the requested pod ports: %s/%s", e.Port, strings.ToUpper(e.Network))
	if e.By != "" {
		s += " is in use by " + e.By
	}
	return s
}

func (e *InUse) Unwrap() error { return unix.EADDRINUSE }

// explain says what a user can do about a port that could not be listened on.
func (m *Manager) explain(network string, at netip.AddrPort, err error) error {
	base := strings.TrimRight(network, "46")
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		by := m.ownerOf(base, at)
		if by == "" {
			by = holderOf(network, at)
		}
		return &InUse{Port: at, Network: base, By: by}
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("publish port %s/%s: %w: %s", at, strings.ToUpper(base), unix.EACCES, PrivilegedHint(int(at.Port())))
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fmt.Errorf("publish port %s/%s: the host does not have the address %s: %w", at, strings.ToUpper(base), at.Addr(), unix.EADDRNOTAVAIL)
	}
	return fmt.Errorf("publish port %s/%s: %w", at, strings.ToUpper(base), err)
}

// ownerOf names the Pod of a port of ours that is in the way.
func (m *Manager) ownerOf(base string, at netip.AddrPort) string {
	all, _ := m.ListPorts(context.Background()) // never fails
	for _, have := range all {
		network, other, to, err := parse(have.Spec)
		if err == nil && strings.TrimRight(network, "46") == base && other.Port() == at.Port() && overlap(other.Addr(), at.Addr()) {
			return m.cfg.Owner(to.Addr())
		}
	}
	return ""
}

// overlap tells whether both cannot be listened on at the same port.
func overlap(a, b netip.Addr) bool {
	return a.Is4() == b.Is4() && (a == b || a.IsUnspecified() || b.IsUnspecified())
}

// FirstPort is the lowest port of the host that an ordinary user may listen on.
func FirstPort() int {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	var first int
	if _, scanned := fmt.Sscan(string(text), &first); err != nil || scanned != nil {
		return 1024 // before Linux 4.11 it could not be changed
	}
	return first
}

// PrivilegedHint tells how a user gets to listen on a low port.
func PrivilegedHint(number int) string {
	return fmt.Sprintf("an ordinary user may listen on ports from %d on; an administrator can change that with sysctl net.ipv4.ip_unprivileged_port_start=%d",
		FirstPort(), number)
}
