package logs

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A terminal's output goes through a FIFO whole, also when that is full for a while, by splice and by hand.
func TestPump(t *testing.T) {
	for name, p := range map[string]pump{"splice": {}, "by hand": {byHand: true}} {
		t.Run(name, func(t *testing.T) {
			master, slave := openTerminal(t)
			place := newPlace(t)
			reader, err := os.OpenFile(place.fifo(Stdout), os.O_RDONLY|unix.O_NONBLOCK, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer reader.Close()
			fifo, err := os.OpenFile(place.fifo(Stdout), os.O_WRONLY|unix.O_NONBLOCK, 0)
			if err != nil {
				t.Fatal(err)
			}
			result := make(chan error)
			go func() {
				err := p.run(context.Background(), master, fifo)
				result <- errors.Join(err, fifo.Close())
			}()
			line := strings.Repeat("x", 99) + "\n"
			go func() {
				for range 3000 {
					slave.WriteString(line)
				}
				slave.Close()
			}()
			var got bytes.Buffer
			if _, err := got.ReadFrom(reader); err != nil {
				t.Fatal(err)
			}
			if err := <-result; err != nil {
				t.Fatal(err)
			}
			if want := strings.Repeat(strings.TrimSuffix(line, "\n")+"\r\n", 3000); got.String() != want {
				t.Errorf("%d bytes, want %d", got.Len(), len(want))
			}
		})
	}
}

func TestPumpStops(t *testing.T) {
	master, slave := openTerminal(t)
	defer slave.Close()
	place := newPlace(t)
	place.container(t)
	fifo, err := os.OpenFile(place.fifo(Stdout), os.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer fifo.Close()
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error)
	go func() { result <- Pump(ctx, master, fifo) }()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// openTerminal makes a pseudo-terminal whose master is known to the poller.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skip(err)
	}
	master = os.NewFile(uintptr(fd), "master")
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	peer, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		t.Fatal(errno)
	}
	return master, os.NewFile(peer, "slave")
}
