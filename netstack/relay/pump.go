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
	left    []byte // read, but not taken by the destination
	blocked bool   // the destination takes no more at present, and an edge will say when it does
	more    bool   // the turn was over before the source was empty
	class   uint8
	ending  bool // the source has sent its end: a short read does not mean that nothing more is there
	urgent  bool // it has sent an urgent byte, and may do so again: nor then
	ended   bool // read the end
	done    bool // and passed it on
}

// wants tells whether events of the source or the destination are a reason to pump. That a destination can be written to is said with each
// of its events, and is news only after it could not.
func (d *direction) wants(in, out bool) bool { return !d.done && (in || d.more || out && d.blocked) }

// pump moves what there is to move, and notes if the turn is over but there is more. An error breaks the flow.
//
// Edges come once, so a pump ends only when a socket would block, which promises another edge. A read that got less than it asked for
// has emptied the socket: that saves the read that says EAGAIN. The exceptions are an end that is there already, which was part of the
// same edge, and urgent data, before which a read stops.
func (d *direction) pump(w *worker, dst, src int) (err error) {
	d.blocked, d.more = false, false
	for moved := 0; moved < turnBytes; {
		if len(d.left) > 0 {
			if err := d.passLeft(dst); err != nil || d.blocked {
				return err
			}
		}
		if d.ended {
			d.done = true
			return shutdown(dst)
		}
		size := readSizes[d.class]
		n, flags, err := d.take(src, w.buf[:size])
		if err == unix.EAGAIN {
			d.more = d.urgent && unread(src)
			return nil
		}
		if err != nil {
			return err
		}
		if d.ended = n == 0; d.ended {
			continue
		}
		if err := d.give(dst, src, w.buf[:n], flags); err != nil || d.blocked {
			return err
		}
		moved += n
		d.class = nextClass(d.class, n)
		if n < size && !d.ending && !d.urgent {
			return nil
		}
	}
	d.more = true
	return nil
}

// take reads once, and tells by the flags whether it only looked.
func (d *direction) take(src int, buf []byte) (n, flags int, err error) {
	if stalled.Load() > stallBudget/2 {
		flags = unix.MSG_PEEK
	}
	n, err = receive(src, buf, flags)
	return n, flags, err
}

// give writes what was taken. What the destination does not take is kept, or stays where it was looked at.
func (d *direction) give(dst, src int, b []byte, flags int) error {
	sent, err := send(dst, b)
	if waits(err) != nil {
		return err
	}
	d.blocked = sent < len(b)
	switch {
	case flags != 0:
		return discard(src, b[:sent])
	case d.blocked:
		d.keep(b[sent:])
	}
	return nil
}

// unread tells whether something is there to be read although the kernel has just said EAGAIN. It does so (tcp_recvmsg) in front of an urgent
// byte to a thread that has a signal to take, as threads of the runtime often have, and no edge will come.
func unread(src int) bool {
	n, err := unix.IoctlGetInt(src, unix.SIOCINQ)
	return err == nil && n > 0
}

func (d *direction) keep(b []byte) {
	d.left = slices.Clone(b)
	stalled.Add(int64(len(b)))
}

// passLeft sends what was kept.
func (d *direction) passLeft(dst int) error {
	n, err := send(dst, d.left)
	if waits(err) != nil {
		return err
	}
	stalled.Add(-int64(n))
	d.left = d.left[n:]
	if d.blocked = len(d.left) > 0; !d.blocked {
		d.left = nil
	}
	return nil
}

// drop forgets what was kept.
func (d *direction) drop() {
	stalled.Add(-int64(len(d.left)))
	d.left = nil
}

// waits turns "would block" into no error.
func waits(err error) error {
	if errors.Is(err, unix.EAGAIN) {
		return nil
	}
	return err
}
