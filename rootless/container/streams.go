package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Streams are the node's ends of what a container reads and writes, all of them non-blocking. What a container does not have is nil.
type Streams struct {
	Stdout, Stderr *os.File // reading ends of FIFOs
	Stdin          *os.File // writing end of a FIFO
	Terminal       *os.File // the master, which stands for all three; Stdout then is a FIFO for what is read from it
}

// Close closes them. Reads and writes that wait return.
func (s Streams) Close() {
	for _, f := range s.byName() {
		if f != nil {
			f.Close()
		}
	}
}

// byName are the names under which they are kept.
func (s Streams) byName() map[string]*os.File {
	return map[string]*os.File{"stdout": s.Stdout, "stderr": s.Stderr, keptStdin: s.Stdin, keptTerminal: s.Terminal}
}

// Names under which Sources.Keep is asked to keep descriptors, besides those of output.
const (
	keptStdin    = "stdin"
	keptTerminal = "terminal"
	keptProcess  = "process" // pidfd, which knows how the process ended (Linux 6.15)
)

// inside are a container's own ends.
type inside struct {
	stdio  [3]*os.File
	devpts *os.File // detached mount, if it has a terminal
}

func (i inside) close() {
	for _, f := range append(i.stdio[:], i.devpts) {
		if f != nil {
			f.Close()
		}
	}
}

// makeStreams makes what a container reads and writes; with other it is another runtime that does. On failure nothing is left open.
func (r *Runtime) makeStreams(id string, spec *specs.Spec, stdin, other bool) (in inside, out Streams, err error) {
	defer func() {
		if err != nil {
			in.close()
			out.Close()
		}
	}()
	uid := r.owner(spec.Process.User.UID)
	if spec.Process.Terminal {
		if other {
			err = hostStreams(&in, &out)
		} else {
			err = r.makeTerminal(spec, uid, &in, &out)
		}
		if err != nil {
			return in, out, fmt.Errorf("make the terminal: %w", err)
		}
		if err := makeFIFO(r.paths.ContainerStdout(id), 0); err != nil {
			return in, out, err
		}
		out.Stdout, err = openReading(r.paths.ContainerStdout(id))
		return in, out, err
	}
	for i, path := range []string{1: r.paths.ContainerStdout(id), 2: r.paths.ContainerStderr(id)} {
		if path == "" {
			continue
		}
		if err := makeFIFO(path, uid); err != nil {
			return in, out, err
		}
		// The container holds its output open for reading too, so it never gets SIGPIPE, and what it writes waits in the kernel
		// while no node reads.
		if in.stdio[i], err = openBlocking(path, unix.O_RDWR); err != nil {
			return in, out, err
		}
	}
	if stdin {
		if in.stdio[0], out.Stdin, err = makeStdin(r.paths.ContainerStdin(id), uid); err != nil {
			return in, out, err
		}
	}
	// Opened before the container runs: one that ends at once takes what is in its FIFOs with it when nobody else has them open.
	if out.Stdout, err = openReading(r.paths.ContainerStdout(id)); err == nil {
		out.Stderr, err = openReading(r.paths.ContainerStderr(id))
	}
	return in, out, err
}

// makeFIFO makes a FIFO that belongs to the container's user, because programs reopen theirs through /dev/stdout.
func makeFIFO(path string, uid int) error {
	if err := unix.Mkfifo(path, 0o600); err != nil && !errors.Is(err, unix.EEXIST) {
		return &os.PathError{Op: "mkfifo", Path: path, Err: err}
	}
	return os.Chown(path, uid, -1)
}

// makeStdin makes a FIFO for input. The container has it open for reading only, so that it gets end of file when nobody has the
// other end.
func makeStdin(path string, uid int) (reading, writing *os.File, err error) {
	if err := makeFIFO(path, uid); err != nil {
		return nil, nil, err
	}
	// While this is open the next two do not wait for each other (fifo(7)).
	both, err := openBlocking(path, unix.O_RDWR)
	if err != nil {
		return nil, nil, err
	}
	defer both.Close()
	if reading, err = openBlocking(path, unix.O_RDONLY); err != nil {
		return nil, nil, err
	}
	if writing, err = os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0); err != nil {
		reading.Close()
	}
	return reading, writing, err
}

// openBlocking is not os.OpenFile, which would make the descriptor, which the container shares, non-blocking.
func openBlocking(path string, flags int) (*os.File, error) {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

func openReading(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
}

// owner is who a container's user is for the node.
func (r *Runtime) owner(uid uint32) int {
	if r.single {
		return 0
	}
	return int(uid)
}

// OpenStreams opens the node's ends of a container that an earlier node has started. kept is what is left of what Sources.Keep was
// given; it is used up. process is nil if it is not among that. A container with a terminal whose master was not kept has lost it.
func (r *Runtime) OpenStreams(id string, kept map[string]*os.File) (s Streams, process *os.File, err error) {
	s.Stdin, s.Terminal, process = kept[keptStdin], kept[keptTerminal], kept[keptProcess]
	for _, name := range []string{filepath.Base(r.paths.ContainerStdout(id)), filepath.Base(r.paths.ContainerStderr(id))} {
		if f := kept[name]; f != nil {
			defer f.Close() // after the same was opened anew
		}
	}
	s.Stdout, err = openReading(r.paths.ContainerStdout(id))
	if err == nil {
		s.Stderr, err = openReading(r.paths.ContainerStderr(id))
	}
	if errors.Is(err, os.ErrNotExist) && s.Stdout != nil { // of one with a terminal
		s.Stderr, err = nil, nil
	}
	if err != nil {
		s.Close()
		if process != nil {
			process.Close()
		}
		return Streams{}, nil, err
	}
	return s, process, nil
}
