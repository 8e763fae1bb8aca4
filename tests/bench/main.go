package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options are the flags; each has its text in parse.
type options struct {
	peapod, podman string
	dir            string
	registries     string
	rounds, beside int
	pods           []int
	limit          time.Duration
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == proberVerb {
		serveProber(os.Stdin, os.Stdout)
		return
	}
	if err := compare(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func compare(args []string) error {
	if len(args) > 0 && args[0] == pullVerb {
		o, err := parsePull(args[1:])
		if err != nil {
			return err
		}
		return comparePulls(o)
	}
	if len(args) > 0 && args[0] == netVerb {
		return compareNet(args[1:])
	}
	if len(args) == 3 && args[0] == netHubVerb {
		return serveNetHub(args[1], args[2])
	}
	if len(args) == 2 && args[0] == netEchoVerb {
		return serveNetEchoes(args[1])
	}
	if len(args) == 4 && args[0] == netClientVerb {
		n, err := strconv.Atoi(args[3])
		if err != nil {
			return err
		}
		return netClient(args[1], args[2], n)
	}
	if len(args) > 0 && args[0] == startVerb {
		return compareStarts(args[1:])
	}
	if len(args) > 0 && args[0] == manyVerb {
		o, err := parseMany(args[1:])
		if err != nil {
			return err
		}
		return compareMany(o)
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	return withEngines(o, o.beside, func(ctx context.Context, engines []*engine, w *watcher) error {
		if err := times(ctx, o, engines, w); err != nil {
			return err
		}
		return memories(ctx, o, engines, w)
	})
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	flags.StringVar(&o.peapod, "peapod", "peapod", "the peapod to measure")
	flags.StringVar(&o.podman, "podman", "podman", "the podman to compare with, empty for none")
	flags.StringVar(&o.dir, "dir", "", "where the engines keep their files; a short path on a fast file system")
	flags.StringVar(&o.registries, "registries", "", "registries.conf of the fixture registry")
	flags.IntVar(&o.rounds, "rounds", 20, "how often everything is timed")
	flags.IntVar(&o.beside, "beside", 1, "Pods that run all the while, so that what an engine's Pods share is there already")
	pods := flags.String("pods", "1,10,30", "numbers of Pods at which to add up memory, rising; empty for none")
	flags.DurationVar(&o.limit, "limit", 6*time.Minute, "give up after this time")
	_ = flags.Parse(args) // ends the process itself
	for _, word := range strings.FieldsFunc(*pods, func(r rune) bool { return r == ',' }) {
		n, err := strconv.Atoi(word)
		if err != nil {
			return o, fmt.Errorf("-pods %s: %w", *pods, err)
		}
		o.pods = append(o.pods, n)
	}
	if o.dir == "" {
		return o, errors.New("-dir is missing; start this by tests/bench/run")
	}
	return o, nil
}

// limited is a context that ends after a time, or by a signal.
func limited(limit time.Duration) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), limit, fmt.Errorf("not finished after %s (-limit)", limit))
	ctx, ignore := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	return ctx, func() {
		ignore()
		cancel()
	}
}

// withEngines prepares the engines that run Pods here, calls measure with them, and ends all they started.
func withEngines(o options, beside int, measure func(context.Context, []*engine, *watcher) error) (err error) {
	ctx, stop := limited(o.limit)
	defer stop()
	watched, err := newWatcher()
	if err != nil {
		return err
	}
	var engines []*engine
	defer func() {
		for _, e := range engines {
			err = errors.Join(err, e.close())
		}
	}()
	for _, e := range []*engine{peapod(o), podman(o)} {
		if e.program == "" {
			continue
		}
		began := time.Now()
		engines = append(engines, e)
		if err := e.prepare(ctx, watched, beside); err != nil && (e.name == "peapod" || ctx.Err() != nil) {
			return fmt.Errorf("%s: %w", e.name, err)
		} else if err != nil {
			text, _, _ := strings.Cut(err.Error(), "\n")
			fmt.Printf("%s is left out, as it runs no Pod here: %.300s\n", e.name, text)
			engines = engines[:len(engines)-1]
			_ = e.close() // it did not come up; the error above says why
			continue
		}
		fmt.Printf("%-7s %s (images pulled and warmed up in %.1f s)\n", e.name, e.version(ctx), time.Since(began).Seconds())
	}
	return measure(ctx, engines, watched)
}

// times runs the rounds and prints them.
func times(ctx context.Context, o options, engines []*engine, watched *watcher) error {
	results := make(map[string]*samples)
	for round := range o.rounds {
		for i := range engines {
			e := engines[(i+round)%len(engines)]
			if err := e.round(ctx, watched, results); err != nil {
				return fmt.Errorf("%s, round %d: %w", e.name, round+1, err)
			}
		}
	}
	if o.rounds == 0 {
		return nil
	}
	printTable(os.Stdout, measures, engines, results)
	return printFloor(ctx, os.Stdout, o)
}
