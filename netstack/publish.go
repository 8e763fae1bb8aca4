package netstack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/rootless-containers/rootlesskit/v3/pkg/port"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/publish"
)

// A Port is a port of the host that leads to one of a Pod.
type Port struct {
	Protocol string     // tcp or udp
	HostIP   netip.Addr // zero: every address of the host, of both families
	HostPort uint16
	PodPort  uint16
}

// startPorts leaves the published ports a part of the descriptors that egress.LimitsFor leaves: an eighth, two for each connection.
func (h *Hub) startPorts() error {
	files := int(min(openFilesLimit(), 1<<17))
	h.sockets = &socketPool{thread: h.thread, free: map[int][]int{}}
	h.ports = publish.New(publish.Config{Dial: h.dialClient, Connect: h.connectClient, Owner: h.ownerOf, TCP: files / 32, UDP: files / 16, UDPIdle: h.cfg.udpIdle, Log: h.cfg.Log})
	return nil
}

// Publish makes ports of the host lead to an attached or adopted Pod; those that it had before are given up. On an error none of
// them is open. *publish.InUse says that somebody has one of them.
func (h *Hub) Publish(id string, ports []Port) error {
	h.Unpublish(id)
	h.mu.Lock()
	pod, ok := h.known[id]
	h.mu.Unlock()
	if !ok {
		return fmt.Errorf("publish ports: pod %s is not on the network", id)
	}
	for _, p := range ports {
		if err := h.publishPort(id, p, pod.Addrs); err != nil {
			h.Unpublish(id)
			return err
		}
	}
	return nil
}

// publishPort listens with the Pod's address of the same family. Where it is to be every address, a host may have only one family.
func (h *Hub) publishPort(id string, p Port, pod Addrs) error {
	listening := 0
	var lacking error
	for _, to := range []netip.Addr{pod.V4, pod.V6} {
		spec := port.Spec{Proto: p.Protocol, ParentPort: int(p.HostPort), ChildIP: to.String(), ChildPort: int(p.PodPort)}
		if p.HostIP.IsValid() {
			if p.HostIP.Is4() != to.Is4() {
				continue
			}
			spec.ParentIP = p.HostIP.String()
		}
		status, err := h.ports.AddPort(context.Background(), spec)
		switch {
		case err == nil:
			h.mu.Lock()
			h.published[id] = append(h.published[id], status.ID)
			h.mu.Unlock()
			listening++
		case !p.HostIP.IsValid() && (errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL)):
			lacking = err
		default:
			return err
		}
	}
	if listening == 0 {
		return lacking
	}
	return nil
}

// Unpublish gives up a Pod's ports of the host and ends their flows.
func (h *Hub) Unpublish(id string) {
	h.mu.Lock()
	ids := h.published[id]
	delete(h.published, id)
	h.mu.Unlock()
	for _, one := range ids {
		_ = h.ports.RemovePort(context.Background(), one) // fails only if it is gone
	}
}

// ownerOf names the Pod that has an address.
func (h *Hub) ownerOf(a netip.Addr) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e, ok := h.known[h.pool.owner[a]]; ok {
		return "pod " + e.Namespace + "/" + e.Name
	}
	return ""
}

// dialClient connects to a Pod as a client of the host. The kernel brings answers back: the egress rules of the hub look for a
// socket between these addresses first. Should another connection from that address and port still be remembered, another port
// has to do.
func (h *Hub) dialClient(ctx context.Context, network string, client, to netip.AddrPort) (net.Conn, error) {
	client, to, onHost, err := h.clientRoute(strings.TrimRight(network, "46"), client, to)
	if err != nil {
		return nil, err
	}
	if onHost {
		return hostDialer.DialContext(ctx, network, to.String())
	}
	conn, err := h.dial(ctx, network, client, to)
	if client.IsValid() && taken(err) {
		conn, err = h.dial(ctx, network, netip.AddrPortFrom(client.Addr(), 0), to)
	}
	return conn, err
}

// connectClient is dialClient for TCP that does not wait: the socket becomes writable when the attempt has ended.
func (h *Hub) connectClient(client, to netip.AddrPort) (fd int, err error) {
	client, to, onHost, err := h.clientRoute("tcp", client, to)
	if err != nil {
		return -1, err
	}
	begin := func(from netip.AddrPort) (int, error) {
		fd, err := h.clientSocket(int(family(to.Addr())), onHost)
		if err == nil {
			if err = beginConnect(fd, from, to); err != nil {
				_ = unix.Close(fd)
			}
		}
		return fd, err
	}
	fd, err = begin(client)
	if client.IsValid() && taken(err) {
		fd, err = begin(netip.AddrPortFrom(client.Addr(), 0))
	}
	return fd, err
}

// clientSocket is a TCP socket that does not block, of the host or of the hub.
func (h *Hub) clientSocket(domain int, onHost bool) (int, error) {
	if onHost {
		return newSocket(unix.SOCK_STREAM, domain)
	}
	return h.socket(unix.SOCK_STREAM, domain)
}

// beginConnect connects from an address, or if that is invalid from any, and does not wait.
func beginConnect(fd int, from, to netip.AddrPort) error {
	if from.IsValid() {
		if err := unix.Bind(fd, sockaddr(from)); err != nil {
			return os.NewSyscallError("bind", err)
		}
	}
	if err := unix.Connect(fd, sockaddr(to)); err != nil && err != unix.EINPROGRESS {
		return os.NewSyscallError("connect", err)
	}
	return nil
}

// taken tells that a connection between these addresses is still remembered.
func taken(err error) bool {
	return errors.Is(err, unix.EADDRINUSE) || errors.Is(err, unix.EADDRNOTAVAIL)
}

// clientRoute tells from which address, which may be invalid for any of the gateway's, to which one a published port leads for a client; on the host
// if the Pod is in the host's network.
func (h *Hub) clientRoute(network string, client, to netip.AddrPort) (from, dst netip.AddrPort, onHost bool, err error) {
	to, ours, err := h.target(network, client.Addr(), to)
	if err != nil {
		return from, to, false, err
	}
	if ours && !h.inRanges(to.Addr()) {
		return from, to, true, refuse(to.Addr())
	}
	if !h.showable(client.Addr()) {
		return from, to, false, nil
	}
	if e, ok := h.engine.(answerRouter); ok {
		err = e.routeAnswers(network, to)
	}
	return client, to, false, err
}

// showable tells whether a client's address means the same to a Pod: loopback and link-local ones do not, and in their place it sees
// the gateway.
func (h *Hub) showable(client netip.Addr) bool {
	return client.IsGlobalUnicast() && client.Zone() == "" && !h.v4.Contains(client) && !h.v6.Contains(client)
}
