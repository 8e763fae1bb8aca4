package netstack

import (
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel answers a change of links and addresses before all of it is in effect: the rest is done by work items, which
// wait for a lock that any other change, even the end of some other namespace, holds for long. What is sent before is lost, and
// a lost SYN, ARP request or neighbour solicitation costs a second. So these wait until packets will pass.

// patience is far beyond what a busy kernel was seen to need.
const patience = 10 * time.Second

func await(what string, ready func() (bool, error)) error {
	deadline := time.Now().Add(patience)
	for {
		ok, err := ready()
		if err != nil || ok {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not ready after %s", what, patience)
		}
		time.Sleep(200 * time.Microsecond)
	}
}

// awaitUp waits until a link's queue and, if it is a port, the bridge's side of it are started. Since Linux 6.8 the question itself
// does that work (linkwatch_sync_dev in rtnl_getlink); before, asking is waiting.
func (c *rtnl) awaitUp(name string) error {
	return await("bring up link "+name, func() (bool, error) {
		l, err := c.link(name)
		return l.up, err
	})
}

// awaitLocal waits until the machine accepts packets for its new IPv6 address. Even without duplicate address detection the
// route to it, and the membership in its solicited-node group, come from the detection's work item (addrconf_dad_work).
func (c *rtnl) awaitLocal(a netip.Addr) error {
	return await("use address "+a.String(), func() (bool, error) {
		kind, err := c.routeKind(a)
		return kind == unix.RTN_LOCAL, err
	})
}
