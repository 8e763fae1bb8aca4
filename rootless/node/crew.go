package node

import (
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/peapod/peapod/rootless/container"
	"github.com/peapod/peapod/rootless/logs"
	"github.com/peapod/peapod/rootless/sandbox"
)

// crew is the running processes of one Pod. The loop decides; the crew is how exec, signals, inspection and removal
// reach what runs.
type crew struct {
	mu        sync.Mutex
	sandbox   *sandbox.Sandbox
	instances map[string]*instance // by container id, from start to removal
	claims    map[string]string    // by container name: the id of the image that its next instance is made of
}

func newCrew() *crew { return &crew{instances: map[string]*instance{}, claims: map[string]string{}} }

// instance is one run of a container.
type instance struct {
	*container.Container
	imageID string
	logPath string
	// done is closed when the process has ended and its log is complete.
	done chan struct{}

	// Of one that this node has seen running:
	tap      *logs.Tap
	streams  container.Streams
	endInput func() // closes stdin for good

	mu   sync.Mutex
	kill *time.Timer // runs while a stop is under way
}

func (c *crew) setSandbox(s *sandbox.Sandbox) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sandbox = s
}

func (c *crew) getSandbox() *sandbox.Sandbox {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sandbox
}

func (c *crew) add(i *instance) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.instances[i.ID] = i
}

func (c *crew) remove(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.instances, id)
}

// get returns an instance, or nil.
func (c *crew) get(id string) *instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.instances[id]
}

// running are the instances that have not ended.
func (c *crew) running() []*instance {
	return slices.DeleteFunc(c.all(), func(i *instance) bool {
		select {
		case <-i.done:
			return true
		default:
			return false
		}
	})
}

func (c *crew) all() []*instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*instance
	for _, i := range c.instances {
		all = append(all, i)
	}
	return all
}

// claim notes which image the next instance of a container is made of.
func (c *crew) claim(container, imageID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.claims[container] = imageID
}

// uses tells whether an instance is made of an image, or will be.
func (c *crew) uses(imageID string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, claimed := range c.claims {
		if claimed == imageID {
			return true
		}
	}
	for _, i := range c.instances {
		if i.imageID == imageID {
			return true
		}
	}
	return false
}

// running tells whether the process has not ended yet, as far as this node has noticed.
func (i *instance) running() bool {
	select {
	case <-i.done:
		return false
	default:
		return true
	}
}

// stop sends the stop signal, and SIGKILL after grace. A second stop can bring the kill forward.
func (i *instance) stop(s syscall.Signal, grace time.Duration) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if grace <= 0 {
		return i.Signal(syscall.SIGKILL)
	}
	if i.kill != nil {
		i.kill.Reset(grace)
		return nil
	}
	i.kill = time.AfterFunc(grace, func() { _ = i.Signal(syscall.SIGKILL) })
	return i.Signal(s)
}

// ended stops the clock that stop started.
func (i *instance) ended() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.kill != nil {
		i.kill.Stop()
	}
	close(i.done)
}
