package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// summary is what is printed of one puller: medians and minima in s, the largest peak in MB.
type summary struct {
	wall, wallLeast, cpu, cpuLeast, peak float64
}

func summarize(costs []cost) summary {
	var walls, cpus []time.Duration
	for _, c := range costs {
		walls, cpus = append(walls, c.wall), append(cpus, c.cpu)
	}
	wall, wallLeast := middle(walls)
	cpu, cpuLeast := middle(cpus)
	most := slices.MaxFunc(costs, func(a, b cost) int { return cmp.Compare(a.peak, b.peak) })
	return summary{wall / 1000, wallLeast / 1000, cpu / 1000, cpuLeast / 1000, float64(most.peak) / 1000}
}

func printPulls(out io.Writer, image pulledImage, pullers []puller, costs map[string][]cost) {
	var bytes int64
	for _, layer := range image.layers {
		bytes += layer.Size
	}
	fmt.Fprintf(out, "\n%s: %d layers, %.0f MB compressed\n", image.name, len(image.layers), float64(bytes)/1e6)
	w := newTable(out)
	fmt.Fprintln(w, "pull\twall s median\tmin\tCPU s median\tmin\tpeak memory MB\t")
	sums := map[string]summary{}
	for _, p := range pullers {
		s := summarize(costs[p.name()])
		sums[p.name()] = s
		fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%.2f\t%.2f\t%.0f\t\n", p.name(), s.wall, s.wallLeast, s.cpu, s.cpuLeast, s.peak)
	}
	w.Flush()
	w = newTable(out)
	fmt.Fprintln(w, "ratio\twall of medians\tof min\tCPU of medians\tof min\t")
	for _, p := range pullers {
		switch ours, other := sums["peapod"], sums[p.name()]; {
		case p.name() == "podman":
			printRatio(w, "podman / peapod", other, ours)
		case strings.HasPrefix(p.name(), "curl"):
			printRatio(w, "peapod / "+p.name(), ours, other)
		}
	}
	w.Flush()
}

func printRatio(w io.Writer, name string, a, b summary) {
	fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%.2f\t%.2f\t\n", name, a.wall/b.wall, a.wallLeast/b.wallLeast, a.cpu/b.cpu, a.cpuLeast/b.cpuLeast)
}
