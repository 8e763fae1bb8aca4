package logs

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A watch tells when a file may have grown.
type watch struct {
	grown <-chan struct{}
	close func()
}

// pollInterval is for users whose inotify instances are used up (fs.inotify.max_user_instances, 128 by default).
const pollInterval = 250 * time.Millisecond

func newWatch(log *os.File) watch {
	if events, err := openInotify(log); err == nil {
		return watchEvents(events)
	}
	return poll()
}

// openInotify gives a file from which each write to the watched one, and each change of its names, can be read as an event.
func openInotify(log *os.File) (*os.File, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("inotify_init1", err)
	}
	events := os.NewFile(uintptr(fd), "inotify")
	// By this name it is the open file, whatever has become of the one it was opened by.
	path := fmt.Sprintf("/proc/self/fd/%d", log.Fd())
	if _, err := unix.InotifyAddWatch(fd, path, unix.IN_MODIFY|unix.IN_ATTRIB); err != nil {
		events.Close()
		return nil, &os.PathError{Op: "inotify_add_watch", Path: log.Name(), Err: err}
	}
	return events, nil
}

func watchEvents(events *os.File) watch {
	grown := make(chan struct{}, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var buffer [1 << 10]byte
		for {
			if _, err := events.Read(buffer[:]); err != nil {
				return
			}
			signal(grown)
		}
	}()
	return watch{grown, func() {
		events.Close()
		<-ended
	}}
}

func poll() watch {
	grown := make(chan struct{}, 1)
	stop := make(chan struct{})
	ticker := time.NewTicker(pollInterval)
	go func() {
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				signal(grown)
			}
		}
	}()
	return watch{grown, func() { close(stop) }}
}

// signal leaves a note unless there is one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
