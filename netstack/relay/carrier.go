package relay

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// A Carrier copies between pairs of TCP connections that others have made, in the way in which a Relay does between its own.
type Carrier struct{ poller *poller }

// OpenCarrier returns a Carrier that works until Close.
func OpenCarrier() (*Carrier, error) {
	p, err := newPoller()
	if err != nil {
		return nil, fmt.Errorf("open carrier: %w", err)
	}
	p.start()
	return &Carrier{p}, nil
}

// Close returns when nothing of the Carrier runs any more. All that it carries must have been aborted.
func (c *Carrier) Close() error {
	c.poller.stopWorkers()
	return c.poller.close()
}

// A Carried is a flow of a Carrier.
type Carried struct {
	carrier *Carrier
	ended   func()
	gate
	pair
	joined bool // the host side is in the poller
	gone   bool
}

// Carry copies both ways between a client's connection and a Pod's, which it takes, until both directions have ended. The client's has the options of
// SetStreamOptions. The Pod's is a socket that does not block, and may still be connecting: if that fails, the client is reset. The end of one
// direction is passed on as such, an error as a reset of both. Peers that vanish without a word are found. ended is called once, maybe before Carry
// returns; it must not wait for anything. On an error, which means that descriptors are short, both connections are reset and ended is not called.
func (c *Carrier) Carry(client *net.TCPConn, pod int, ended func()) (*Carried, error) {
	f := &Carried{carrier: c, ended: ended, pair: pair{pod: pod, host: -1}}
	err := SetStreamOptions(pod)
	if err == nil {
		if f.host, err = take(client); err == nil {
			// The other one is added by the worker that gets this one's first event, which comes when it is connected, or never will be: the worker is
			// in the gate then, so nobody closes it meanwhile.
			err = c.poller.add(pod, streamEvents, f)
		}
	}
	if err != nil {
		_ = client.SetLinger(0)
		if f.host >= 0 {
			_ = unix.Close(f.host)
		}
		_ = unix.SetsockoptLinger(pod, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		_ = unix.Close(pod)
	}
	_ = client.Close()
	if err != nil {
		return nil, err
	}
	return f, nil
}

// SetStreamOptions gives a socket, or those that a listener accepts, the options of a stream.
func SetStreamOptions(fd int) error { return setOptions(fd, streamOptions) }

// take returns a descriptor of a connection, which stays when the connection is closed.
func take(conn *net.TCPConn) (int, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return -1, err
	}
	taken := -1
	controlled := raw.Control(func(fd uintptr) { taken, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if controlled != nil {
		return -1, controlled
	}
	return taken, err
}

// Abort resets both connections; it may be called again.
func (f *Carried) Abort() { f.post(nil, aborted) }

func (f *Carried) ready(w *worker, fd int, events uint32) { f.post(w, f.bitsOf(fd, events)) }

func (f *Carried) post(w *worker, bits uint32) {
	f.enter(bits, func(bits uint32) { f.work(w, bits) })
}

// work is what a flow does when something has happened. w is nil when it was aborted by somebody else.
func (f *Carried) work(w *worker, bits uint32) {
	if bits&aborted != 0 {
		f.end(true)
	}
	if f.gone {
		return
	}
	f.notice(bits)
	if !f.joined {
		f.joined = true
		if f.carrier.poller.add(f.host, streamEvents, f) != nil {
			f.end(true)
			return
		}
		bits |= podIn | podOut | hostIn | hostOut
	}
	if over, isBroken := f.copy(w, f, bits); over {
		f.end(isBroken)
	}
}

func (f *Carried) end(isBroken bool) {
	if f.gone {
		return
	}
	f.gone = true
	f.drop()
	f.carrier.poller.closeStream(f.pod, isBroken)
	f.carrier.poller.closeStream(f.host, isBroken)
	f.ended()
}
