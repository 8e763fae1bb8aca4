package main

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/container"
	"github.com/peapod/peapod/tests/oci"
)

// This file times the start of one container, with the first argument "start", started by the script of that name. The time is
// from the request, which is a call of a function for peapod's node and a new process for all others, to the first instruction of the
// container's program, which looks at the clock itself.
//
// All start the same config.json, as the node writes it for a container of a Pod, beside one pause, from a root file system that is
// mounted beforehand. They have their turns in each round, beginning with another one each time. Nothing is timed but the start.
//
// The floor is a C program that does the mounts of that config.json and nothing else: no capabilities, no filter, no checks. Its time
// is given from its own start and, like those of the other programs, from the request.

const startVerb = "start"

type starter struct {
	name string
	// once starts one container and returns the time that it took; what it does before and after is not timed.
	once func(id string) (time.Duration, error)
}

func compareStarts(args []string) (err error) {
	flags := flag.NewFlagSet("bench start", flag.ExitOnError)
	programs := flags.String("programs", "", "folder with peapod, first, stay and floor")
	rounds := flags.Int("rounds", 100, "how often everything is timed")
	_ = flags.Parse(args) // ends the process itself
	b := &startBench{programs: *programs}
	if err := b.prepare(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	list, err := b.starters()
	if err != nil {
		return err
	}
	times := &samples{}
	for round := range *rounds {
		for i := range list {
			s := list[(i+round)%len(list)]
			took, err := s.once(fmt.Sprintf("c%d", round))
			if err != nil {
				return fmt.Errorf("%s, round %d: %w", s.name, round+1, err)
			}
			times.add(s.name, took)
		}
	}
	printStarts(os.Stdout, list, times)
	return nil
}

// printStarts prints the medians and minima, and how many times each is crun's start, of the same kind of number.
func printStarts(out io.Writer, list []starter, times *samples) {
	w := newTable(out)
	fmt.Fprintln(w, "ms to the first instruction\tmedian\tmin\tcrun run / it\tof min\t")
	crun, crunLeast := middle(times.byEngine[crunRun])
	for _, s := range list {
		median, least := middle(times.byEngine[s.name])
		fmt.Fprintf(w, "%s\t%.2f\t%.2f", s.name, median, least)
		if crun > 0 {
			fmt.Fprintf(w, "\t%.1f\t%.1f", crun/median, crunLeast/least)
		}
		fmt.Fprintln(w, "\t")
	}
	w.Flush()
	median := func(name string) float64 {
		m, _ := middle(times.byEngine[name])
		return m
	}
	start := median(nodeStart)
	fmt.Fprintf(out, "\nA start takes %.2f of the floor, %.2f with the floor's own start; an exec takes %.2f of a start.\n",
		start/median(floorAlone), start/median(floorWhole), median(nodeExec)/start)
}

const (
	nodeStart  = "node"
	nodeExec   = "node: exec"
	floorAlone = "floor in C"
	floorWhole = "floor in C, with its own start"
)

const crunRun = "crun run"

// startBench is what the starters share.
type startBench struct {
	programs string
	dir      string
	fixture  *oci.Fixture
	spec     *specs.Spec // runs first
	open     *specs.Spec // the same without seccomp
	staying  []func() error
}

func (b *startBench) prepare() (err error) {
	// crun 1.8 refuses to run where both versions of cgroups are mounted.
	if err := unix.Mount("none", "/sys/fs/cgroup", "tmpfs", 0, ""); err != nil {
		return &os.PathError{Op: "mount", Path: "/sys/fs/cgroup", Err: err}
	}
	if b.dir, err = os.MkdirTemp("", "start"); err != nil {
		return err
	}
	if err := unix.Mount("none", b.dir, "tmpfs", 0, "mode=755"); err != nil {
		return &os.PathError{Op: "mount", Path: b.dir, Err: err}
	}
	if b.fixture, err = oci.NewFixture(b.dir, filepath.Join(b.programs, "first")); err != nil {
		return err
	}
	if err := b.fixture.AddProgram("stay", filepath.Join(b.programs, "stay")); err != nil {
		return err
	}
	if b.spec, err = b.fixture.Spec(corev1.Container{}, container.User{Home: "/"}); err != nil {
		return err
	}
	copied, linux := *b.spec, *b.spec.Linux
	linux.Seccomp, copied.Linux = nil, &linux
	b.open = &copied
	return nil
}

func (b *startBench) close() error {
	var errs []error
	for _, end := range b.staying {
		errs = append(errs, end())
	}
	errs = append(errs, b.fixture.Close(), unix.Unmount(b.dir, unix.MNT_DETACH), os.RemoveAll(b.dir))
	return errors.Join(errs...)
}

func (b *startBench) starters() ([]starter, error) {
	peapod := []string{filepath.Join(b.programs, "peapod"), "oci", "--root", filepath.Join(b.dir, "oci")}
	crun := []string{"crun", "--cgroup-manager=disabled", "--root", filepath.Join(b.dir, "crun")}
	list := []starter{
		{nodeStart, b.inProcess(b.spec, false)},
		{"node, mounting the image too", b.inProcess(b.spec, true)},
		{"node, without seccomp", b.inProcess(b.open, false)},
		{"peapod oci run", b.bundled(b.spec, peapod)},
		{floorAlone, b.floor(false)},
		{floorWhole, b.floor(true)},
	}
	joined, err := b.execInProcess()
	if err != nil {
		return nil, err
	}
	byOCI, err := b.execBundled(peapod)
	if err != nil {
		return nil, err
	}
	list = append(list, starter{nodeExec, joined}, starter{"peapod oci exec", byOCI})
	if _, err := exec.LookPath("crun"); err != nil {
		fmt.Println("crun is left out:", err)
		return list, nil
	}
	byCrun, err := b.execBundled(crun)
	return append(list, starter{crunRun, b.bundled(b.spec, crun)}, starter{"crun run, without seccomp", b.bundled(b.open, crun)},
		starter{"crun exec", byCrun}), err
}

// clock is CLOCK_MONOTONIC.
func clock() time.Duration {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // cannot fail for this clock
	return time.Duration(now.Nano())
}

// readClock reads what first.c writes.
func readClock(r io.Reader) (time.Duration, error) {
	var b [16]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return 0, fmt.Errorf("read the program's clock: %w", err)
	}
	e := binary.NativeEndian
	return time.Duration(e.Uint64(b[:8]))*time.Second + time.Duration(e.Uint64(b[8:])), nil
}

// inProcess starts a container as the node does.
func (b *startBench) inProcess(spec *specs.Spec, mounting bool) func(string) (time.Duration, error) {
	return func(id string) (took time.Duration, err error) {
		began := clock()
		root, err := b.fixture.Mount(id)
		if err != nil {
			return 0, err
		}
		if !mounting {
			began = clock()
		}
		c, streams, err := b.fixture.Runtime.Start(id, spec, container.Sources{Sandbox: b.fixture.Pidfd, Root: root})
		root.File.Close()
		if err != nil {
			return 0, errors.Join(err, b.fixture.Unmount(id))
		}
		first, err := readClock(streams.Stdout)
		streams.Close()
		return first - began, errors.Join(err, awaitEnd(c), b.fixture.Unmount(id))
	}
}

func awaitEnd(c *container.Container) error {
	pidfd, err := c.Process.Open()
	if err != nil {
		return err
	}
	if exit := container.Wait(c.Process, pidfd); exit.Code != 0 {
		return fmt.Errorf("it ended with %d", exit.Code)
	}
	return nil
}

// bundled starts a container by a command line.
func (b *startBench) bundled(spec *specs.Spec, command []string) func(string) (time.Duration, error) {
	return func(id string) (took time.Duration, err error) {
		dir, remove, err := b.fixture.Bundle(id, spec)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, remove()) }()
		return timed(exec.Command(command[0], append(command[1:len(command):len(command)], "run", "--bundle", dir, id)...), 1)
	}
}

// timed runs a command that prints clocks, and returns the time from before it to the nth of them.
func timed(cmd *exec.Cmd, nth int) (time.Duration, error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	cmd.Stderr = os.Stderr
	began := clock()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	var last time.Duration
	for range nth {
		if last, err = readClock(out); err != nil {
			break
		}
	}
	return last - began, errors.Join(err, cmd.Wait())
}

// floor runs the C program, timed from the request or from its own start.
func (b *startBench) floor(whole bool) func(string) (time.Duration, error) {
	return func(id string) (took time.Duration, err error) {
		dir, remove, err := b.fixture.Bundle(id, b.spec)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, remove()) }()
		const pidfd = 3
		f := b.fixture.Files
		cmd := exec.Command(filepath.Join(b.programs, "floor"), strconv.Itoa(pidfd), filepath.Join(dir, "rootfs"), f.Shm, f.Hosts, f.Hostname, f.ResolvConf)
		cmd.ExtraFiles, cmd.Stderr = []*os.File{b.fixture.Pidfd}, os.Stderr
		if whole {
			return timed(cmd, 2)
		}
		out, err := cmd.Output()
		if err != nil {
			return 0, err
		}
		const size = 16
		if len(out) != 2*size {
			return 0, fmt.Errorf("the floor printed %d bytes", len(out))
		}
		e := binary.NativeEndian
		at := func(o int) time.Duration {
			return time.Duration(e.Uint64(out[o:]))*time.Second + time.Duration(e.Uint64(out[o+8:]))
		}
		return at(size) - at(0), nil
	}
}

// execInProcess runs the program in a container that stays, as the node does.
func (b *startBench) execInProcess() (func(string) (time.Duration, error), error) {
	spec, err := b.fixture.Spec(corev1.Container{Command: []string{"/stay"}}, container.User{Home: "/"})
	if err != nil {
		return nil, err
	}
	spec.Process.Args = []string{"/stay"}
	root, err := b.fixture.Mount("stay")
	if err != nil {
		return nil, err
	}
	c, streams, err := b.fixture.Runtime.Start("stay", spec, container.Sources{Sandbox: b.fixture.Pidfd, Root: root})
	root.File.Close()
	if err != nil {
		return nil, err
	}
	b.staying = append(b.staying, func() error {
		streams.Close()
		err := unix.Kill(c.Process.Pid, unix.SIGKILL)
		_, _ = unix.Wait4(c.Process.Pid, nil, 0, nil)
		return errors.Join(err, b.fixture.Unmount("stay"))
	})
	return func(string) (time.Duration, error) {
		out, theirs, err := os.Pipe()
		if err != nil {
			return 0, err
		}
		defer out.Close()
		began := clock()
		pid, err := b.fixture.Runtime.Exec(c, container.Command{Args: []string{"/probe"}, Stdio: [3]*os.File{1: theirs}})
		theirs.Close()
		if err != nil {
			return 0, err
		}
		first, err := readClock(out)
		_, waitErr := unix.Wait4(pid, nil, 0, nil)
		return first - began, errors.Join(err, waitErr)
	}, nil
}

// execBundled runs the program by a command line, in a container that it has started too.
func (b *startBench) execBundled(command []string) (func(string) (time.Duration, error), error) {
	spec := *b.spec
	process := *spec.Process
	process.Args, spec.Process = []string{"/stay"}, &process
	id := "stay-" + filepath.Base(command[0])
	dir, remove, err := b.fixture.Bundle(id, &spec)
	if err != nil {
		return nil, err
	}
	with := func(args ...string) *exec.Cmd {
		cmd := exec.Command(command[0], append(command[1:len(command):len(command)], args...)...)
		cmd.Stderr = os.Stderr
		return cmd
	}
	if err := with("run", "--detach", "--bundle", dir, id).Run(); err != nil {
		return nil, errors.Join(err, remove())
	}
	b.staying = append(b.staying, func() error { return errors.Join(with("delete", "--force", id).Run(), remove()) })
	return func(string) (time.Duration, error) { return timed(with("exec", id, "/probe"), 1) }, nil
}
