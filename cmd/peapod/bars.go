package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/docker/go-units"

	"github.com/peapod/peapod/rootless/api"
)

// redraw is the least time between two pictures.
const redraw = 50 * time.Millisecond

// bars draws one line per layer and draws over it: the cursor goes up by as many lines as were drawn last time, each line is cleared to
// its end. Messages go above and stay.
type bars struct {
	out  io.Writer
	size func() (width, height int) // of the terminal; 0 if not known
	now  func() time.Time

	layers []api.PullProgress // in the order of their first mention, newest state
	drawn  int                // lines on the terminal
	last   time.Time
}

func newBars(out io.Writer, size func() (width, height int)) *bars {
	return &bars{out: out, size: size, now: time.Now}
}

func (b *bars) update(line api.PullProgress) {
	if line.Layer == "" {
		if line.Message != "" {
			b.draw(printable(line.Message))
		}
		return
	}
	i := 0
	for i < len(b.layers) && b.layers[i].Layer != line.Layer {
		i++
	}
	if i == len(b.layers) {
		b.layers = append(b.layers, line)
	}
	b.layers[i] = line
	if line.Done || b.now().Sub(b.last) >= redraw {
		b.draw()
	}
}

func (b *bars) finish() { b.draw() }

// draw writes messages and then all bars, in one write so that the terminal does not flicker.
func (b *bars) draw(messages ...string) {
	width, height := b.size()
	if width <= 0 || height <= 1 {
		width, height = 80, 24
	}
	shown := b.layers[max(0, len(b.layers)-(height-1)):] // the cursor cannot go up beyond the first row
	var text strings.Builder
	if b.drawn > 0 {
		fmt.Fprintf(&text, "\x1b[%dA", b.drawn)
	}
	for _, message := range messages {
		text.WriteString(message + "\x1b[K\n")
	}
	for _, layer := range shown {
		text.WriteString(barLine(layer, width) + "\x1b[K\n")
	}
	b.drawn, b.last = len(shown), b.now()
	_, _ = io.WriteString(b.out, text.String()) // progress that cannot be shown is no error of the pull
}

// barLine is `b5d1a5…  [=====>    ]  3.1MB/30MB`, at most width-1 characters: a full line would wrap.
func barLine(layer api.PullProgress, width int) string {
	id := shortID(layer.Layer)
	state := units.HumanSizeWithPrecision(float64(layer.Offset), 3)
	switch {
	case layer.Done:
		state = "done"
	case layer.Total > 0:
		state += "/" + units.HumanSizeWithPrecision(float64(layer.Total), 3)
	}
	room := min(width-1-len(id)-len(state)-6, 50)
	if room < 5 {
		return cut(id+"  "+state, width-1)
	}
	filled := 0
	switch {
	case layer.Done:
		filled = room
	case layer.Total > 0:
		filled = int(float64(room) * max(0, min(1, float64(layer.Offset)/float64(layer.Total))))
	}
	bar := strings.Repeat("=", filled)
	if filled < room {
		bar += ">" + strings.Repeat(" ", room-filled-1)
	}
	return id + "  [" + bar + "]  " + state
}

func cut(text string, limit int) string {
	for utf8.RuneCountInString(text) > max(limit, 0) {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text
}
