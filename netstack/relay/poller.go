package relay

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// A handler gets the events of a descriptor that it has added to a poller. Several workers may call it at the same time, and it
// may be called once more after its descriptor was removed.
type handler interface {
	ready(w *worker, fd int, events uint32)
}

// A poller waits for many descriptors with few threads: epoll(7), edge-triggered. An edge comes once, so a handler has to go on until
// the kernel says EAGAIN, or ask for another turn.
type poller struct {
	epoll   int
	stop    int // eventfd(2): readable when the workers are to end
	workers sync.WaitGroup

	mu       sync.RWMutex
	handlers map[int32]entry
	serial   int32
}

// The serial number tells a descriptor from one that had its number before, of which an event may still be under way.
type entry struct {
	handler
	serial int32
}

// A worker is one thread of a poller with the one buffer that it ever needs: what a handler has read it either passes on in the same turn
// or copies.
type worker struct {
	buf   []byte
	again []job
}

// A job is a handler's wish for another turn, after others had theirs.
type job struct {
	handler
	fd     int
	events uint32
}

// later gives the handler another turn with the same arguments.
func (w *worker) later(h handler, fd int, events uint32) {
	w.again = append(w.again, job{h, fd, events})
}

const maxWorkers = 8

func newPoller() (*poller, error) {
	p := &poller{epoll: -1, stop: -1, handlers: map[int32]entry{}}
	var err error
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll_create: %w", err)
	}
	if p.stop, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		_ = unix.Close(p.epoll)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	// Level-triggered and never read, so every worker sees it.
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(p.stop)}
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, p.stop, &event); err != nil {
		_ = unix.Close(p.epoll)
		_ = unix.Close(p.stop)
		return nil, fmt.Errorf("epoll_ctl: %w", err)
	}
	return p, nil
}

// start lets the workers run: as many as can work at a time. They never wait for anything but events.
func (p *poller) start() {
	for range min(runtime.GOMAXPROCS(0), maxWorkers) {
		p.workers.Go(func() { p.work(&worker{buf: make([]byte, largestRead)}) })
	}
}

// stopWorkers returns when no handler runs any more.
func (p *poller) stopWorkers() {
	_, _ = unix.Write(p.stop, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	p.workers.Wait()
}

// close releases what is the poller's own. What was added is closed by those who added it.
func (p *poller) close() error { return errors.Join(unix.Close(p.epoll), unix.Close(p.stop)) }

// streamEvents are those of a TCP connection, packetEvents those of everything else.
const (
	packetEvents = unix.EPOLLIN | unix.EPOLLET
	streamEvents = packetEvents | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLPRI
)

// add has the handler called for the descriptor's events, also for those that are there already.
func (p *poller) add(fd int, events uint32, h handler) error {
	p.mu.Lock()
	p.serial++
	e := entry{h, p.serial}
	p.handlers[int32(fd)] = e
	p.mu.Unlock()
	event := unix.EpollEvent{Events: events, Fd: int32(fd), Pad: e.serial}
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		p.forget(fd)
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// closeFD forgets the descriptor and closes it, which takes it out of the epoll set. Nobody else may be using it.
func (p *poller) closeFD(fd int) {
	p.forget(fd)
	_ = unix.Close(fd)
}

// closeStream closes a TCP connection likewise, with RST instead of FIN if it was broken: socket(7), SO_LINGER of zero seconds.
func (p *poller) closeStream(fd int, isBroken bool) {
	if isBroken {
		_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	p.closeFD(fd)
}

func (p *poller) forget(fd int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.handlers, int32(fd))
}

func (p *poller) find(event *unix.EpollEvent) handler {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if e := p.handlers[event.Fd]; e.serial == event.Pad {
		return e.handler
	}
	return nil
}

func (p *poller) work(w *worker) {
	// Few at a time, so that the others find something to do.
	var events [4]unix.EpollEvent
	for {
		timeout := -1
		if len(w.again) > 0 {
			timeout = 0
		}
		n, err := unix.EpollWait(p.epoll, events[:], timeout)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		for i := range max(n, 0) {
			if int(events[i].Fd) == p.stop {
				return
			}
			if h := p.find(&events[i]); h != nil {
				h.ready(w, int(events[i].Fd), events[i].Events)
			}
		}
		turns := w.again
		w.again = nil
		for _, j := range turns {
			j.handler.ready(w, j.fd, j.events)
		}
	}
}
