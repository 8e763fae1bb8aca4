package gvisor

import (
	"bytes"
	"errors"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/waiter"
)

// lastWords is how long the stack tries to get rid of what is left when both directions have ended.
const lastWords = time.Minute

// splice copies both ways until both directions have ended, and closes both sides.
func (f *tcpFlow) splice() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.forward(f.copyToHost)
	}()
	f.forward(f.copyToPod)
	<-done
	_ = f.host.Close()
	timeout := tcpip.TCPUserTimeoutOption(lastWords)
	_ = f.pod.SetSockOpt(&timeout)
	f.pod.Close()
}

// forward copies one direction. An error resets both sides, and so ends the other direction.
func (f *tcpFlow) forward(copyAll func() error) {
	if err := copyAll(); err != nil {
		f.Abort()
	}
}

// copyToHost copies until the Pod's direction ends and then ends that of the host side.
func (f *tcpFlow) copyToHost() error {
	readable, events := waiter.NewChannelEntry(waiter.ReadableEvents | waiter.EventHUp | waiter.EventErr)
	f.events.EventRegister(&readable)
	defer f.events.EventUnregister(&readable)
	for {
		buf := streamBuffers.take()
		room := tcpip.SliceWriter(*buf)
		result, err := f.pod.Read(&room, tcpip.ReadOptions{})
		if err == nil && result.Count > 0 {
			_, werr := f.host.Write((*buf)[:result.Count])
			streamBuffers.giveBack(buf)
			if werr != nil {
				return werr
			}
			continue
		}
		streamBuffers.giveBack(buf)
		switch err.(type) {
		case *tcpip.ErrWouldBlock:
			if err := f.wait(events); err != nil {
				return err
			}
		case *tcpip.ErrClosedForReceive:
			return f.host.CloseWrite()
		default:
			return stackError(err)
		}
	}
}

func (f *tcpFlow) wait(events <-chan struct{}) error {
	select {
	case <-events:
		return nil
	case <-f.ctx.Done():
		return f.ctx.Err()
	}
}

// copyToPod copies until the host's direction ends and then ends that of the Pod's side.
func (f *tcpFlow) copyToPod() error {
	writable, events := waiter.NewChannelEntry(waiter.WritableEvents | waiter.EventHUp | waiter.EventErr)
	f.events.EventRegister(&writable)
	defer f.events.EventUnregister(&writable)
	in, err := newReader(f.host, streamBuffers)
	if err != nil {
		return err
	}
	for {
		b, err := in.next()
		if err != nil {
			return err
		}
		if len(b) == 0 {
			in.done()
			if err := f.pod.Shutdown(tcpip.ShutdownWrite); err != nil {
				return stackError(err)
			}
			return nil
		}
		err = f.write(b, events)
		in.done()
		if err != nil {
			return err
		}
	}
}

// write gives all of it to the stack, which copies it.
func (f *tcpFlow) write(b []byte, events <-chan struct{}) error {
	rest := bytes.NewReader(b)
	for rest.Len() > 0 {
		_, err := f.pod.Write(rest, tcpip.WriteOptions{})
		switch err.(type) {
		case nil:
		case *tcpip.ErrWouldBlock:
			if err := f.wait(events); err != nil {
				return err
			}
		default:
			return stackError(err)
		}
	}
	return nil
}

// stackError makes an error of what the stack says.
func stackError(err tcpip.Error) error { return errors.New(err.String()) }
