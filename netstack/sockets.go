package netstack

import (
	"sync"

	"golang.org/x/sys/unix"
)

// socketPool makes TCP sockets of the hub, for connections to Pods. Only the hub's thread can make them, and to wait for another thread costs as
// much as all the rest of a connection; so it makes several at a time.
type socketPool struct {
	thread *thread

	mu     sync.Mutex
	free   map[int][]int // by domain
	closed bool
}

const socketsAtOnce = 8

// take returns a socket that does not block and may have any address: bindTransparent is done but for the address.
func (p *socketPool) take(domain int) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return -1, errThreadGone
	}
	if len(p.free[domain]) == 0 {
		if err := p.thread.do(func() error { return p.fill(domain) }); err != nil {
			return -1, err
		}
	}
	last := len(p.free[domain]) - 1
	fd := p.free[domain][last]
	p.free[domain] = p.free[domain][:last]
	return fd, nil
}

// fill runs on the hub's thread. It is no error if there are fewer than wanted, but at least one.
func (p *socketPool) fill(domain int) error {
	for i := range socketsAtOnce {
		fd, err := newSocket(unix.SOCK_STREAM, domain)
		if err == nil {
			if err = setTransparent(fd, domain); err != nil {
				_ = unix.Close(fd)
			}
		}
		if err != nil {
			if i > 0 {
				return nil
			}
			return err
		}
		p.free[domain] = append(p.free[domain], fd)
	}
	return nil
}

// waiting is the number of sockets that nobody has taken.
func (p *socketPool) waiting() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, fds := range p.free {
		n += len(fds)
	}
	return n
}

func (p *socketPool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, fds := range p.free {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
	}
	p.free = nil
}
