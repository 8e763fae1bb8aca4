package egress

import (
	"context"
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// ErrRefused says that a Pod may not reach a destination, whether or not somebody is there.
var ErrRefused = errors.New("destination is closed to pods")

// An Outcome is how a dial ended, as a Pod has to see it.
type Outcome uint8

// Outcomes, and what a Pod is sent.
const (
	Connected       Outcome = iota
	Refused                 // TCP: RST; UDP: ICMP port unreachable
	HostUnreachable         // ICMP host unreachable (3/1), ICMPv6 address unreachable (1/3)
	NetUnreachable          // ICMP net unreachable (3/0), ICMPv6 no route (1/0)
	Prohibited              // ICMP and ICMPv6 administratively prohibited (3/13, 1/1)
	Silent                  // no answer: the Pod asks again until it gives up by itself
)

// String is for logs and tests.
func (o Outcome) String() string {
	return [...]string{"connected", "refused", "host unreachable", "net unreachable", "prohibited", "silent"}[o]
}

// OutcomeOf reads the error of a dial. What the policy closes is refused, as by a machine with nobody on that port: programs
// give up at once, and a Pod learns nothing about who listens. What only this process lacks (descriptors, memory, a turn)
// is silence: the kernel inside sends its SYN again.
func OutcomeOf(err error) Outcome {
	var timeout net.Error
	switch {
	case err == nil:
		return Connected
	case errors.Is(err, ErrRefused):
		return Refused
	case errors.Is(err, context.Canceled), errors.As(err, &timeout) && timeout.Timeout():
		return Silent
	}
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return Silent
	}
	switch errno {
	case unix.ECONNREFUSED, unix.ECONNRESET, unix.ENOPROTOOPT:
		return Refused
	case unix.EHOSTUNREACH, unix.EHOSTDOWN, unix.ENONET:
		return HostUnreachable
	case unix.ENETUNREACH, unix.ENETDOWN, unix.EADDRNOTAVAIL, unix.EAFNOSUPPORT, unix.EINVAL:
		return NetUnreachable // the last three: the host has no address or no IPv6 to go there with
	case unix.EACCES, unix.EPERM:
		return Prohibited
	}
	return Silent
}
