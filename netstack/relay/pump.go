package relay

import (
	"errors"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// readSizes are how much is read at once, in bytes. A direction starts small, takes the next size when it has filled one and the one below when
// it hardly uses it: few system calls where much moves, warm caches where little does.
var readSizes = [...]int{64 << 10, 256 << 10, largestRead}

const largestRead = 1 << 20

// nextClass chooses the size of the next read from what the last one got.
func nextClass(class uint8, got int) uint8 {
	switch {
	case got == readSizes[class] && int(class) < len(readSizes)-1:
		return class + 1
	case class > 0 && got < readSizes[class-1]/2:
		return class - 1
	}
	return class
}

// turnBytes is how much a direction may move before other flows of its worker have their turn.
const turnBytes = 8 << 20

// A stall is what one side has sent and the other does not take. Such bytes have to be kept, and all of them together must stay within a budget:
// beyond its half, data is only looked at (MSG_PEEK), and taken from the socket when it was passed on. That costs one more system
// call and no memory.
var stalled atomic.Int64

const stallBudget = 32 << 20

// A direction carries bytes from one socket to another.
type direction struct {
	left   []byte // read, but not taken by the destination
	class  uint8
	ending bool // the source has sent its end: a short read does not mean that nothing more is there
	urgent bool // it has sent an urgent byte, and may do so again: nor then
	ended  bool // read the end
	done   bool // and passed it on
}

// pump moves what there is to move. again means that the turn is over but there is more; an error breaks the flow.
//
// Edges come once, so a pump ends only when a socket would block, which promises another edge. A read that got less than it asked for
// has emptied the socket: that saves the read that says EAGAIN. The exceptions are an end that is there already, which was part of the
// same edge, and urgent data, before which a read stops.
func (d *direction) pump(w *worker, dst, src int) (again bool, err error) {
	for moved := 0; moved < turnBytes; {
		if len(d.left) > 0 {
			if empty, err := d.passLeft(dst); err != nil || !empty {
				return false, err
			}
		}
		if d.ended {
			d.done = true
			return false, shutdown(dst)
		}
		size := readSizes[d.class]
		n, more, err := d.move(dst, src, w.buf[:size])
		if err != nil || !more {
			return false, err
		}
		moved += n
		d.class = nextClass(d.class, n)
		if n < size && !d.ending && !d.urgent {
			return false, nil
		}
	}
	return true, nil
}

// move reads once and writes what it got. more is false if it has to wait for either socket.
func (d *direction) move(dst, src int, buf []byte) (n int, more bool, err error) {
	flags := 0
	if d.urgent || stalled.Load() > stallBudget/2 {
		flags = unix.MSG_PEEK
	}
	if n, err = receive(src, buf, flags); err == unix.EAGAIN && d.urgent {
		n, err = receiveAtMark(src, buf, flags)
	}
	if err != nil {
		return 0, false, waits(err)
	}
	if n == 0 {
		d.ended = true
		return 0, true, nil
	}
	if d.urgent {
		at, err := unix.IoctlGetInt(src, unix.SIOCATMARK)
		if err != nil {
			return 0, false, err
		}
		if at != 0 {
			return 1, true, d.passUrgent(dst, src)
		}
	}
	sent, err := send(dst, buf[:n])
	if err != nil && waits(err) != nil {
		return n, false, err
	}
	switch {
	case flags != 0:
		if sent > 0 {
			err = discard(src, buf[:sent])
		} else {
			err = nil
		}
	case sent < n:
		d.keep(buf[sent:n])
		err = nil
	}
	return n, sent == n, err
}

func (d *direction) keep(b []byte) {
	d.left = slices.Clone(b)
	stalled.Add(int64(len(b)))
}

// passLeft sends what was kept.
func (d *direction) passLeft(dst int) (empty bool, err error) {
	n, err := send(dst, d.left)
	if err != nil && waits(err) != nil {
		return false, err
	}
	stalled.Add(-int64(n))
	if d.left = d.left[n:]; len(d.left) == 0 {
		d.left = nil
		return true, nil
	}
	return false, nil
}

// drop forgets what was kept.
func (d *direction) drop() {
	stalled.Add(-int64(len(d.left)))
	d.left = nil
}

// passUrgent hands on TCP's urgent byte, which is the next one: tcp(7), SIOCATMARK. It is read as any other (SO_OOBINLINE), so it cannot get
// lost. Whether it is the next can be asked only when it is there, which is why data of a source that sends such bytes is looked at first.
func (d *direction) passUrgent(dst, src int) error {
	var b [1]byte
	if _, err := receiveAtMark(src, b[:], 0); err != nil {
		return waits(err)
	}
	err := unix.Sendto(dst, b[:], unix.MSG_OOB, nil)
	if err == unix.EAGAIN {
		d.keep(b[:]) // so far behind, it is not urgent any more
		return nil
	}
	return err
}

// receiveAtMark reads what may be an urgent byte. In front of one, the kernel (tcp_recvmsg) says EAGAIN to a thread that has a signal to take, as
// threads of the runtime often have, although there is something to read and no edge will come.
func receiveAtMark(src int, b []byte, flags int) (n int, err error) {
	for range 100 {
		if n, err = receive(src, b, flags); err != unix.EAGAIN {
			break
		}
		if at, _ := unix.IoctlGetInt(src, unix.SIOCATMARK); at == 0 {
			break
		}
	}
	return n, err
}

// waits turns "would block" into no error.
func waits(err error) error {
	if errors.Is(err, unix.EAGAIN) {
		return nil
	}
	return err
}
