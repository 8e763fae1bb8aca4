package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// samples are the times of one measure, by engine.
type samples struct{ byEngine map[string][]time.Duration }

func (s *samples) add(engine string, d time.Duration) {
	if s.byEngine == nil {
		s.byEngine = map[string][]time.Duration{}
	}
	s.byEngine[engine] = append(s.byEngine[engine], d)
}

// keepSample adds a time to those of a measure.
func keepSample(results map[string]*samples, measure, engine string, d time.Duration) {
	if results[measure] == nil {
		results[measure] = &samples{}
	}
	results[measure].add(engine, d)
}

// middle are the median and the minimum, in ms.
func middle(times []time.Duration) (median, least float64) {
	if len(times) == 0 {
		return 0, 0
	}
	sorted := slices.Sorted(slices.Values(times))
	n := len(sorted)
	return ms((sorted[(n-1)/2] + sorted[n/2]) / 2), ms(sorted[0])
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// row prints what was seen of two engines, or of one, and the ratio of the other to peapod.
func row(w io.Writer, name, format string, values ...float64) {
	fmt.Fprint(w, name)
	for _, v := range values {
		fmt.Fprintf(w, "\t"+format, v)
	}
	switch {
	case len(values) == 4 && values[0] > 0 && values[1] > 0:
		fmt.Fprintf(w, "\t%.1f\t%.1f", values[2]/values[0], values[3]/values[1])
	case len(values) == 2 && values[0] > 0:
		fmt.Fprintf(w, "\t%.1f", values[1]/values[0])
	}
	fmt.Fprintln(w, "\t")
}

func newTable(out io.Writer) *tabwriter.Writer {
	return tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
}

// printTable prints a row for each measure.
func printTable(out io.Writer, measures []string, engines []*engine, results map[string]*samples) {
	fmt.Fprintln(out)
	w := newTable(out)
	fmt.Fprint(w, "ms")
	for _, e := range engines {
		fmt.Fprintf(w, "\t%s median\tmin", e.name)
	}
	if len(engines) == 2 {
		fmt.Fprint(w, "\tratio of medians\tof min")
	}
	fmt.Fprintln(w, "\t")
	for _, measure := range measures {
		var values []float64
		for _, e := range engines {
			median, least := middle(results[measure].byEngine[e.name])
			values = append(values, median, least)
		}
		if len(engines) == 1 { // two values are two engines' to row
			fmt.Fprintf(w, "%s\t%.1f\t%.1f\t\n", measure, values[0], values[1])
			continue
		}
		row(w, measure, "%.1f", values...)
	}
	w.Flush()
}

func printMemory(out io.Writer, engines []*engine, numbers []int, used map[string]map[int]usage) {
	fmt.Fprintln(out)
	w := newTable(out)
	fmt.Fprint(w, "helpers' memory, kB PSS")
	for _, e := range engines {
		fmt.Fprintf(w, "\t%s", e.name)
	}
	if len(engines) == 2 {
		fmt.Fprint(w, "\tratio")
	}
	fmt.Fprintln(w, "\t")
	for _, n := range numbers {
		var values []float64
		for _, e := range engines {
			values = append(values, float64(used[e.name][n].total))
		}
		row(w, fmt.Sprintf("%d Pods", n), "%.0f", values...)
	}
	first, last := numbers[0], numbers[len(numbers)-1]
	if last > first {
		var values []float64
		for _, e := range engines {
			values = append(values, float64(used[e.name][last].total-used[e.name][first].total)/float64(last-first))
		}
		row(w, "one Pod more", "%.0f", values...)
	}
	w.Flush()
	for _, e := range engines {
		fmt.Fprintf(out, "%s at %d: %s\n", e.name, last, used[e.name][last])
	}
}
