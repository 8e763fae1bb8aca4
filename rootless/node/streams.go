package node

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/container"
	"github.com/peapod/peapod/rootless/logs"
	"github.com/peapod/peapod/rootless/sandbox"
)

// shelfName is the name under which the pause keeps something of a container.
func shelfName(id, name string) string { return id + "/" + name }

// keeper hands descriptors of a container to its Pod's pause. A pause that cannot take them is no reason not to start: what is lost then is
// lost only with the node.
func (p *pod) keeper(s *sandbox.Sandbox, id string) func(name string, f *os.File) {
	return func(name string, f *os.File) {
		if err := s.Keep(shelfName(id, name), f); err != nil {
			p.log.Warn("a container's stream would not outlive this node", "id", id, "stream", name, "error", err)
		}
	}
}

// kept fetches what an earlier node has handed to the pause.
func (p *pod) kept(id string) map[string]*os.File {
	s := p.crew.getSandbox()
	if s == nil {
		return nil
	}
	files, err := s.Kept(shelfName(id, ""))
	if err != nil {
		p.log.Warn("fetch a container's streams from the pause", "id", id, "error", err)
	}
	return files
}

// drop tells the pause to let go of something of a container, or of all with the name "".
func (p *pod) drop(id, name string) {
	s := p.crew.getSandbox()
	if s == nil {
		return
	}
	if err := s.Drop(shelfName(id, name)); err != nil && !errors.Is(err, unix.ESRCH) {
		p.log.Warn("take a container's streams from the pause", "id", id, "error", err)
	}
}

// copying is the way of a container's output to its log.
type copying struct {
	tap  *logs.Tap
	done <-chan struct{} // closed when there will be no more
	// release lets go of the terminal, whose end would not come otherwise. It is called when the first process has ended.
	release func()
}

// copyLog copies a container's output to its log until nobody has the streams open for writing, or until they are closed.
func (p *pod) copyLog(path, id string, streams container.Streams) (*copying, error) {
	log, err := logs.Open(path, p.node.paths.ContainerJournal(id), p.node.options.Rotation)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	release := func() {}
	if streams.Terminal != nil {
		if release, err = p.pumpTerminal(id, streams.Terminal); err != nil {
			return nil, errors.Join(err, log.Close())
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer log.Close()
		// The node's end stops the copying: what the container writes then waits for the next node.
		if err := logs.Copy(p.node.ctx, streams.Stdout, streams.Stderr, log); err != nil && p.node.ctx.Err() == nil {
			p.log.Error("copy a container's output", "log", path, "error", err)
		}
	}()
	return &copying{log.Tap(), done, release}, nil
}

// pumpTerminal moves what a container's terminal shows to the FIFO of its output. Until the function that it returns is called there is
// somebody who has the terminal's other end open: a container may close its own for a while.
func (p *pod) pumpTerminal(id string, master *os.File) (release func(), err error) {
	peer, err := container.OpenPeer(master)
	if err != nil {
		return nil, err
	}
	fifo, err := os.OpenFile(p.node.paths.ContainerStdout(id), os.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		peer.Close()
		return nil, err
	}
	go func() {
		defer fifo.Close()
		if err := logs.Pump(p.node.ctx, master, fifo); err != nil && p.node.ctx.Err() == nil {
			p.log.Error("read a container's terminal", "id", id, "error", err)
		}
	}()
	return func() { peer.Close() }, nil
}
