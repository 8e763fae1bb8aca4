package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// manyVerb is the first argument when many Pods are to be measured.
const manyVerb = "many"

// manyOptions are the flags after it.
type manyOptions struct {
	options
	together, last int
	idle           time.Duration
}

func parseMany(args []string) (o manyOptions, err error) {
	flags := flag.NewFlagSet("bench many", flag.ExitOnError)
	flags.StringVar(&o.peapod, "peapod", "peapod", "the peapod to measure")
	flags.StringVar(&o.podman, "podman", "podman", "the podman to compare with, empty for none")
	flags.StringVar(&o.dir, "dir", "", "where the engines keep their files; a short path on a fast file system")
	flags.StringVar(&o.registries, "registries", "", "registries.conf of the fixture registry")
	flags.IntVar(&o.rounds, "rounds", 3, "how often the Pods of one file are timed")
	flags.IntVar(&o.together, "together", 30, "Pods in one file")
	flags.IntVar(&o.last, "last", 100, "Pods up to which one more is timed; as many then run idle")
	flags.DurationVar(&o.idle, "idle", 30*time.Second, "how long idle Pods are watched, 0 for not at all")
	flags.DurationVar(&o.limit, "limit", 10*time.Minute, "give up after this time")
	_ = flags.Parse(args) // ends the process itself
	if o.dir == "" || o.rounds < 1 || o.together < 1 || o.last < 1 {
		return o, errors.New("-dir is missing, or a number is less than 1; start this by tests/bench/run --many")
	}
	return o, nil
}

func compareMany(o manyOptions) error {
	return withEngines(o.options, 0, func(ctx context.Context, engines []*engine, w *watcher) error {
		if err := together(ctx, o, engines, w); err != nil {
			return err
		}
		first := engines[0] // peapod, without which nothing is measured
		if err := first.oneByOne(ctx, o.last, w); err != nil {
			return fmt.Errorf("%s, one by one: %w", first.name, err)
		}
		if o.idle == 0 {
			return nil
		}
		for _, probe := range []string{httpProbe, execProbe} {
			if err := first.idleTime(ctx, o, w, probe); err != nil {
				return fmt.Errorf("%s, idle: %w", first.name, err)
			}
		}
		return nil
	})
}

// togetherMeasure is the row of Pods that come in one file.
func togetherMeasure(n int) string { return fmt.Sprintf("%d Pods in one file: all run", n) }

// together times Pods that are applied by one file.
func together(ctx context.Context, o manyOptions, engines []*engine, w *watcher) error {
	results := map[string]*samples{}
	for round := range o.rounds {
		for i := range engines {
			e := engines[(i+round)%len(engines)]
			took, err := e.all(ctx, o.together, "", w)
			if err != nil {
				return fmt.Errorf("%s, round %d: %w", e.name, round+1, err)
			}
			if err := e.run(ctx, e.delete(e.manyPath())...); err != nil {
				return err
			}
			keepSample(results, togetherMeasure(o.together), e.name, took)
		}
	}
	printTable(os.Stdout, []string{togetherMeasure(o.together)}, engines, results)
	return nil
}

// all applies n Pods by one file and returns after what time the last one's container ran. The caller deletes them.
func (e *engine) all(ctx context.Context, n int, probe string, w *watcher) (time.Duration, error) {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("many-%d", i))
	}
	if err := e.manyManifest(e.manyPath(), names, probe); err != nil {
		return 0, err
	}
	return e.until(ctx, e.manyPath(), n, w)
}

// until applies a file and returns after what time n containers of it ran.
func (e *engine) until(ctx context.Context, path string, n int, w *watcher) (took time.Duration, err error) {
	before, err := w.all()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("the containers did not start within a minute"))
	defer cancel()
	args := e.apply(path)
	cmd, output := e.command(ctx, args...)
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	at, err := w.count(ctx, before, n)
	return at.Sub(began), errors.Join(e.explain(ctx, args, cmd.Wait(), output), err)
}

// oneByOne times each of the Pods up to the last. The mean of ten is less noisy than one.
func (e *engine) oneByOne(ctx context.Context, last int, w *watcher) (err error) {
	var paths []string
	defer func() {
		for _, path := range paths {
			err = errors.Join(err, e.run(context.WithoutCancel(ctx), e.delete(path)...))
		}
	}()
	var times []time.Duration
	for i := range last {
		path := filepath.Join(e.home, fmt.Sprintf("more-%d.yaml", i))
		if err := e.manyManifest(path, []string{fmt.Sprintf("more-%d", i)}, ""); err != nil {
			return err
		}
		paths = append(paths, path)
		took, err := e.until(ctx, path, 1, w)
		if err != nil {
			return err
		}
		times = append(times, took)
	}
	few := min(10, last)
	first, _ := middle(times[:few])
	end, _ := middle(times[last-few:])
	fmt.Printf("\none by one, %s, ms until its container runs: median of the first %d Pods %.1f, of the last %d up to number %d %.1f, ratio %.2f\n",
		e.name, few, first, few, last, end, end/first)
	return nil
}

// idleTime prints the share of a processor that the node takes while Pods with a probe run.
func (e *engine) idleTime(ctx context.Context, o manyOptions, w *watcher, probe string) (err error) {
	if _, err := e.all(ctx, o.last, probe, w); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.run(context.WithoutCancel(ctx), e.delete(e.manyPath())...)) }()
	if err := e.awaitReady(ctx, o.last); err != nil {
		return err
	}
	pid, err := e.nodePid(ctx)
	if err != nil {
		return err
	}
	before, err := processorTime(pid)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(o.idle):
	}
	after, err := processorTime(pid)
	fmt.Printf("idle, %d Pods with a readiness probe (%s): the node takes %.2f %% of one processor (over %s)\n",
		o.last, probeNames[probe], 100*float64(after-before)/float64(o.idle), o.idle)
	return err
}

// awaitReady waits until so many Pods are ready.
func (e *engine) awaitReady(ctx context.Context, n int) error {
	for {
		cmd, output := e.command(ctx, "get", "pods", "--no-headers")
		if err := e.explain(ctx, cmd.Args[1:], cmd.Run(), output); err != nil {
			return err
		}
		if strings.Count(output.String(), " 1/1 ") >= n {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

var pidLine = regexp.MustCompile(`(?m)^Pid: (\d+)$`)

func (e *engine) nodePid(ctx context.Context) (int, error) {
	cmd, output := e.command(ctx, "node", "status")
	if err := e.explain(ctx, cmd.Args[1:], cmd.Run(), output); err != nil {
		return 0, err
	}
	m := pidLine.FindStringSubmatch(output.String())
	if m == nil {
		return 0, fmt.Errorf("node status names no pid: %q", output)
	}
	return strconv.Atoi(m[1])
}

// Probes of idle Pods: part of a container.
const (
	httpProbe = `    readinessProbe: {httpGet: {path: /, port: 8080}}
`
	execProbe = `    readinessProbe: {exec: {command: ["true"]}}
`
)

var probeNames = map[string]string{httpProbe: "httpGet", execProbe: "exec"}

const manyText = `---
apiVersion: v1
kind: Pod
metadata:
  name: %[1]s
spec:
  containers:
  - name: busybox
    image: %[2]s
    imagePullPolicy: IfNotPresent
    command: ["sh", "-c", "%[3]s"]
%[4]s`

// serving is what Pods with a probe do besides; nothing else of them takes time.
const serving = `: workload; trap 'exit 0' TERM; cd; echo >index.html; httpd -p 8080; sleep 3650d & wait`

func (e *engine) manyPath() string { return filepath.Join(e.home, "many.yaml") }

func (e *engine) manyManifest(path string, names []string, probe string) error {
	command := script
	if probe != "" {
		command = serving
	}
	var text []byte
	for _, name := range names {
		text = fmt.Appendf(text, manyText, name, busyboxImage, command, probe)
	}
	return os.WriteFile(path, text, 0o600)
}

// count waits until so many containers of this user's run that were not there before, and returns when it was.
func (w *watcher) count(ctx context.Context, before map[string]bool, n int) (time.Time, error) {
	seen := map[string]bool{}
	for {
		pids, err := w.all()
		if err != nil {
			return time.Time{}, err
		}
		now := time.Now()
		for pid := range pids {
			if !before[pid] && !seen[pid] && manyWorkload(arguments(pid)) && first(pid) {
				seen[pid] = true
			}
		}
		if len(seen) >= n {
			return now, nil
		}
		select {
		case <-ctx.Done():
			return now, fmt.Errorf("%d of %d containers run: %w", len(seen), n, context.Cause(ctx))
		case <-time.After(scanInterval):
		}
	}
}

func manyWorkload(args []string) bool {
	return len(args) == 3 && args[0] == "sh" && slices.Contains([]string{script, serving}, args[2])
}
