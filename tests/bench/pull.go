package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// pullVerb is the first argument when pulls are to be compared.
const pullVerb = "pull"

// pullOptions are the flags after it.
type pullOptions struct {
	options
	address string // HOST:PORT of the registry
	images  []string
}

func parsePull(args []string) (o pullOptions, err error) {
	flags := flag.NewFlagSet("bench pull", flag.ExitOnError)
	flags.StringVar(&o.peapod, "peapod", "peapod", "the peapod to measure")
	flags.StringVar(&o.podman, "podman", "podman", "the podman to compare with, empty for none")
	flags.StringVar(&o.dir, "dir", "", "where stores are made; a short path")
	flags.StringVar(&o.registries, "registries", "", "registries.conf by which docker.io/library is the registry below")
	flags.StringVar(&o.address, "address", "", "HOST:PORT of the registry, which speaks plain HTTP")
	images := flags.String("images", "big-nginx,big-large,big-zstd", "names of images in it, below library/")
	flags.IntVar(&o.rounds, "rounds", 3, "how often everything is timed")
	flags.DurationVar(&o.limit, "limit", 30*time.Minute, "give up after this time")
	_ = flags.Parse(args) // ends the process itself
	o.images = strings.FieldsFunc(*images, func(r rune) bool { return r == ',' })
	if o.dir == "" || o.address == "" || o.rounds < 1 {
		return o, errors.New("-dir or -address is missing, or no round is asked for; start this by tests/bench/pull")
	}
	return o, nil
}

// comparePulls measures one image after the other and prints each when it is done.
func comparePulls(o pullOptions) error {
	ctx, stop := limited(o.limit)
	defer stop()
	for _, name := range o.images {
		image, err := lookUp(ctx, o.address, name)
		if err != nil {
			return err
		}
		pullers, missing := pullersOf(ctx, o, image)
		costs, err := pullRounds(ctx, o.rounds, pullers)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		printPulls(os.Stdout, image, pullers, costs)
		for _, program := range missing {
			fmt.Printf("without %s, which is not installed\n", program)
		}
	}
	return nil
}

// pullRounds has each puller pull once in every round; the next round begins with the next of them.
func pullRounds(ctx context.Context, rounds int, pullers []puller) (map[string][]cost, error) {
	costs := map[string][]cost{}
	for round := range rounds {
		for i := range pullers {
			p := pullers[(i+round)%len(pullers)]
			c, err := pullOnce(ctx, p)
			if err != nil {
				return nil, fmt.Errorf("%s, round %d: %w", p.name(), round+1, err)
			}
			costs[p.name()] = append(costs[p.name()], c)
		}
	}
	return costs, nil
}

// pullOnce pulls into a fresh store and removes it.
func pullOnce(ctx context.Context, p puller) (c cost, err error) {
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		err = errors.Join(err, p.clean(ctx))
	}()
	if err := p.prepare(ctx); err != nil {
		return c, fmt.Errorf("prepare: %w", err)
	}
	syscall.Sync() // what others have written is not to be waited for here
	return p.pull(ctx)
}
