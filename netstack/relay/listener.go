package relay

import (
	"golang.org/x/sys/unix"
)

// turnFlows is how many flows or datagrams one turn takes in before others have theirs.
const turnFlows = 64

// A listener gets TCP connections from tproxy.
type listener struct {
	gate
	relay *Relay
	fd    int
}

func (l *listener) ready(w *worker, fd int, events uint32) {
	l.enter(1, func(uint32) {
		for range turnFlows {
			conn, from, err := unix.Accept4(l.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			if err == nil {
				l.relay.accept(w, conn, from)
			} else if !l.relay.trouble(err) {
				return
			}
		}
		w.later(l, fd, events)
	})
}

// accept gives a pod side to the stream that was offered to it, or to a new one.
func (r *Relay) accept(w *worker, pod int, from unix.Sockaddr) {
	local, err := unix.Getsockname(pod)
	if err != nil {
		_ = unix.Close(pod)
		return
	}
	k := key{src: fromSockaddr(from), dst: fromSockaddr(local)}
	if s := r.holds.claim(k); s != nil {
		s.pod = pod
		s.post(w, podArrived)
		return
	}
	s := newStream(r, k)
	s.pod, s.joined = pod, true
	if !r.tcp.Add(k.src.Addr(), s) {
		r.cfg.Log.Debug("relay has too many flows", "network", "tcp", "source", k.src, "destination", k.dst)
		r.poller.closeStream(pod, true)
		return
	}
	if victim := r.holds.begin(s); victim != nil {
		victim.Abort()
	}
	s.post(w, 0)
}
