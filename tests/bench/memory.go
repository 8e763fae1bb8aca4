package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// settleTime is for what an engine does when a burst of work is over, such as giving memory back.
const settleTime = 3 * time.Second

// usage is the memory of an engine's helpers.
type usage struct {
	total  int            // kB
	byName map[string]int // kB
	count  map[string]int // processes
}

// memories adds up the helpers at each number of Pods, one engine after the other, and prints them.
func memories(ctx context.Context, o options, engines []*engine, w *watcher) error {
	if len(o.pods) == 0 {
		return nil
	}
	used := map[string]map[int]usage{}
	for _, e := range engines {
		used[e.name] = map[int]usage{}
		if err := e.memory(ctx, w, o.pods, used[e.name]); err != nil {
			return fmt.Errorf("%s, memory: %w", e.name, err)
		}
	}
	printMemory(os.Stdout, engines, o.pods, used)
	return nil
}

// memory starts Pods up to each number and deletes them again. Those that run all the while count.
func (e *engine) memory(ctx context.Context, w *watcher, numbers []int, used map[int]usage) error {
	var started []string
	defer func() {
		for _, path := range started {
			_ = e.run(context.WithoutCancel(ctx), e.delete(path)...) // stop deletes what is left
		}
	}()
	for _, n := range numbers {
		for len(e.beside)+len(started) < n {
			path, err := e.manifest(fmt.Sprintf("memory-%d", len(started)))
			if err != nil {
				return err
			}
			started = append(started, path)
			if err := e.applied(ctx, w, path, func(string, time.Duration) {}); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(settleTime):
		}
		u, err := e.usage(w)
		if err != nil {
			return err
		}
		used[n] = u
	}
	return nil
}

// usage is the memory of the engine's helpers now.
func (e *engine) usage(w *watcher) (u usage, err error) {
	u = usage{byName: map[string]int{}, count: map[string]int{}}
	list, err := w.helpers()
	if err != nil {
		return u, err
	}
	names := map[string]string{}
	words := []string{"pss"}
	for _, p := range list {
		if e.helper(p) {
			pid := strconv.Itoa(p.pid)
			names[pid] = p.comm
			words = append(words, pid)
		}
	}
	line, err := e.prober.ask(words...)
	for _, field := range strings.Fields(line) {
		pid, text, _ := strings.Cut(field, "=")
		kb, _ := strconv.Atoi(text)
		if kb == 0 {
			continue // a zombie
		}
		u.total += kb
		u.byName[names[pid]] += kb
		u.count[names[pid]]++
	}
	return u, err
}

// String is "node 20000 kB, 3 × pause 36 kB", the largest first.
func (u usage) String() string {
	names := slices.SortedFunc(maps.Keys(u.byName), func(a, b string) int { return u.byName[b] - u.byName[a] })
	for i, name := range names {
		names[i] = fmt.Sprintf("%d × %s %d kB", u.count[name], name, u.byName[name])
	}
	return strings.Join(names, ", ")
}
