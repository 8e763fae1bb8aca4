package relay

import "golang.org/x/sys/unix"

// Bits of the gate of a TCP flow. UDP flows use some of them.
const (
	podIn uint32 = 1 << iota
	podOut
	podUrgent
	podEnding
	hostIn
	hostOut
	hostUrgent
	hostEnding
	broken     // either side has an error, which ends everything
	podArrived // accept has set the pod side
	aborted
)

const hostShift = 4 // from a bit of the pod side to that of the host side

// A pair is the two sockets of a TCP flow, and what is copied between them: up is from the Pod to the host. It belongs to whoever is inside
// the flow's gate. A descriptor is set before it is added to the poller and never changed.
type pair struct {
	pod, host int
	up, down  direction
}

// bitsOf translates events of one of the sockets.
func (p *pair) bitsOf(fd int, events uint32) (bits uint32) {
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR|unix.EPOLLPRI) != 0 {
		bits |= podIn
	}
	if events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		bits |= podOut
	}
	if events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		bits |= podEnding
	}
	if events&unix.EPOLLPRI != 0 {
		bits |= podUrgent
	}
	if fd == p.host {
		bits <<= hostShift
	}
	if events&unix.EPOLLERR != 0 {
		bits |= broken
	}
	return bits
}

// notice remembers what events said about the sources.
func (p *pair) notice(bits uint32) {
	p.up.notice(bits)
	p.down.notice(bits >> hostShift)
}

func (d *direction) notice(bits uint32) {
	d.ending = d.ending || bits&podEnding != 0
	d.urgent = d.urgent || bits&podUrgent != 0
}

// copy moves what can be moved, both ways. h gets another turn if there is more. over means that the flow has ended, in order
// or broken.
func (p *pair) copy(w *worker, h handler, bits uint32) (over, isBroken bool) {
	var err error
	if p.up.wants(bits&podIn != 0, bits&hostOut != 0) {
		err = p.up.pump(w, p.host, p.pod)
	}
	if err == nil && p.down.wants(bits&hostIn != 0, bits&podOut != 0) {
		err = p.down.pump(w, p.pod, p.host)
	}
	switch {
	case err != nil, bits&broken != 0:
		return true, true
	case p.up.done && p.down.done:
		return true, false
	case p.up.more || p.down.more:
		w.later(h, p.host, 0)
	}
	return false, false
}

// drop forgets what was kept.
func (p *pair) drop() {
	p.up.drop()
	p.down.drop()
}
