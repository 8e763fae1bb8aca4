package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// puller is one way to get an image.
type puller interface {
	name() string
	prepare(ctx context.Context) error // makes an empty store; not timed
	pull(ctx context.Context) (cost, error)
	clean(ctx context.Context) error // ends and removes what the others left, also after an error
}

// cost is what one pull took.
type cost struct {
	wall, cpu time.Duration
	peak      int // kB
}

// pullersOf are all that this machine has the programs for, and the programs it does not have.
func pullersOf(ctx context.Context, o pullOptions, image pulledImage) (pullers []puller, missing []string) {
	reference := "docker.io/library/" + image.name + ":latest"
	ours := peapod(o.options)
	pullers = []puller{&nodePuller{engine: ours, image: reference}, &nodePuller{engine: ours, image: reference, cold: true}}
	if theirs := podman(o.options); theirs.program != "" {
		pullers = append(pullers, &commandPuller{theirs, reference})
	} else if o.podman != "" {
		missing = append(missing, o.podman)
	}
	for _, program := range image.decompressors() {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, program)
			continue
		}
		pullers = append(pullers, &pipePuller{dir: filepath.Join(o.dir, "pipe"), image: image, program: program})
	}
	return pullers, missing
}

// nodePuller is peapod. A cold one has no node before the command; the image store is empty with both.
type nodePuller struct {
	engine *engine
	image  string
	cold   bool
	node   int // process, 0 if none was started
}

func (p *nodePuller) name() string {
	if p.cold {
		return "peapod, no node yet"
	}
	return "peapod"
}

func (p *nodePuller) prepare(ctx context.Context) error {
	if err := p.engine.makeHome(); err != nil || p.cold {
		return err
	}
	if err := p.engine.run(ctx, "images"); err != nil { // starts the node, and with it the store
		return err
	}
	return p.findNode(ctx)
}

func (p *nodePuller) findNode(ctx context.Context) error {
	cmd, output := p.engine.command(ctx, "node", "status")
	if err := cmd.Run(); err != nil {
		return p.engine.explain(ctx, cmd.Args[1:], err, output)
	}
	_, after, _ := strings.Cut(output.String(), "Pid: ")
	line, _, _ := strings.Cut(after, "\n")
	var err error
	if p.node, err = strconv.Atoi(line); err != nil {
		return fmt.Errorf("process of the node: %w", err)
	}
	return nil
}

// pull counts the command with its children, and of the node what it used meanwhile.
func (p *nodePuller) pull(ctx context.Context) (cost, error) {
	var before time.Duration
	if !p.cold {
		var err error
		if before, err = processorTime(p.node); err != nil {
			return cost{}, err
		}
		if err := forgetPeak(p.node); err != nil {
			return cost{}, err
		}
	}
	c, err := p.engine.cost(ctx, "pull", "-q", p.image)
	if err != nil {
		return c, err
	}
	if p.cold {
		if err := p.findNode(ctx); err != nil {
			return c, err
		}
	}
	after, err := processorTime(p.node)
	if err != nil {
		return c, err
	}
	c.cpu += after - before
	c.peak, err = peak(p.node)
	return c, err
}

func (p *nodePuller) clean(ctx context.Context) error {
	p.node = 0
	// Again until nothing is left: the answer comes before the node has ended, and after an interrupt one may be about to start.
	for {
		if err := p.engine.stop(ctx); err != nil {
			return err
		}
		left, err := processesAt(p.engine.home)
		if err != nil {
			return err
		}
		if len(left) == 0 {
			return removeAll(ctx, p.engine.home)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("processes %v do not end", left)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// commandPuller is podman. The process that keeps its namespaces is there before, as the node is.
type commandPuller struct {
	engine *engine
	image  string
}

func (p *commandPuller) name() string { return p.engine.name }

func (p *commandPuller) prepare(ctx context.Context) error {
	if err := p.engine.makeHome(); err != nil {
		return err
	}
	return p.engine.run(ctx, "images")
}

func (p *commandPuller) pull(ctx context.Context) (cost, error) {
	return p.engine.cost(ctx, "pull", "-q", p.image)
}

func (p *commandPuller) clean(ctx context.Context) error {
	if err := p.engine.endPause(); err != nil {
		return err
	}
	return removeAll(ctx, p.engine.home)
}

// cost runs a command of the engine's. It counts what was waited for by the command, or by what it waited for.
func (e *engine) cost(ctx context.Context, args ...string) (cost, error) {
	cmd, output := e.command(ctx, args...)
	c, err := costOf(cmd)
	return c, e.explain(ctx, args, err, output)
}

// costOf runs a command. The peak is that of the largest process (getrusage(2)).
func costOf(cmd *exec.Cmd) (cost, error) {
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return cost{}, err
	}
	c := cost{wall: time.Since(began), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		c.peak = int(usage.Maxrss)
	}
	return c, nil
}

// removeAll removes a directory with files of subordinate ids.
func removeAll(ctx context.Context, dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	if out, err := inNamespace(ctx, "rm", "-rf", "--", dir).CombinedOutput(); err != nil {
		return fmt.Errorf("remove %s: %w: %s", dir, err, out)
	}
	return nil
}

// inNamespace is a command in a user namespace with the subordinate ids.
func inNamespace(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "unshare", append([]string{"--map-root-user", "--map-auto", "--"}, args...)...)
}
