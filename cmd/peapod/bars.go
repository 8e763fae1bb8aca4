package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/peapod/peapod/rootless/api"
)

// redraw is the least time between two pictures.
const redraw = 50 * time.Millisecond

// bars draws one line per layer and, if there are several, one for all, and draws over them: the cursor goes up by as many lines as
// were drawn last time, each line is cleared to its end. Messages go above and stay. There is no colour in it.
type bars struct {
	out  io.Writer
	size func() (width, height int) // of the terminal; 0 if not known
	now  func() time.Time

	layers []bar // in the order of their first mention
	drawn  int   // lines on the terminal
	last   time.Time
}

// bar is a layer's newest state.
type bar struct {
	api.PullProgress
	began, changed time.Time
	first          int64 // bytes that were there when it began
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
	now := b.now()
	i := 0
	for i < len(b.layers) && b.layers[i].Layer != line.Layer {
		i++
	}
	if i == len(b.layers) {
		b.layers = append(b.layers, bar{began: now, first: line.Offset})
	}
	if b.layers[i].Done {
		return // it ends once
	}
	b.layers[i].PullProgress, b.layers[i].changed = line, now
	if line.Done || now.Sub(b.last) >= redraw {
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
	var text strings.Builder
	if b.drawn > 0 {
		fmt.Fprintf(&text, "\x1b[%dA", b.drawn)
	}
	for _, message := range messages {
		text.WriteString(message + "\x1b[K\n")
	}
	lines := b.lines(width, height-1) // the cursor cannot go up beyond the first row
	for _, line := range lines {
		text.WriteString(line + "\x1b[K\n")
	}
	if len(lines) < b.drawn {
		text.WriteString("\x1b[J") // what the terminal, made smaller, has no more room for
	}
	b.drawn, b.last = len(lines), b.now()
	_, _ = io.WriteString(b.out, text.String()) // progress that cannot be shown is no error of the transfer
}

// lines are the picture. Where not all layers have room, those that are done go first.
func (b *bars) lines(width, room int) []string {
	var lines []string
	total := len(b.layers) > 1
	if total {
		room--
	}
	surplus := len(b.layers) - max(room, 0)
	for i := range b.layers {
		if surplus > 0 && b.layers[i].Done {
			surplus--
			continue
		}
		lines = append(lines, b.layers[i].line(width))
	}
	lines = lines[:min(len(lines), max(room, 0))]
	if total {
		lines = append(lines, b.total(width))
	}
	return lines
}

// line is `b5d1a5…  [=====>    ]  3.1MB/30MB  1.2MB/s`.
func (b *bar) line(width int) string {
	state := doneText(b.PullProgress)
	if !b.Done {
		state = amount(b.Offset, b.Total) + speed(b.Offset-b.first, b.changed.Sub(b.began))
	}
	return barLine(shortID(b.Layer), b.Offset, b.Total, b.Done, state, width)
}

// total sums up the layers. While the size of one is unknown, so is the sum.
func (b *bars) total(width int) string {
	var offset, total, moved int64
	var began, changed time.Time
	done := 0
	for i := range b.layers {
		layer := &b.layers[i]
		if layer.Done {
			done++
			layer.Offset = max(layer.Offset, layer.Total)
		}
		if layer.Done && layer.Total <= 0 {
			layer.Total = layer.Offset
		}
		offset += max(layer.Offset, 0)
		moved += max(layer.Offset-layer.first, 0)
		if layer.Total < 0 || layer.Total == 0 && !layer.Done || total < 0 {
			total = -1
		} else {
			total += layer.Total
		}
		if began.IsZero() || layer.began.Before(began) {
			began = layer.began
		}
		if layer.changed.After(changed) {
			changed = layer.changed
		}
	}
	all := done == len(b.layers)
	state := fmt.Sprintf("%s%s  %d/%d layers", amount(offset, total), speed(moved, changed.Sub(began)), done, len(b.layers))
	return barLine("total       ", offset, total, all, state, width)
}

func amount(offset, total int64) string {
	text := humanSize(max(offset, 0))
	if total > 0 {
		text += "/" + humanSize(total)
	}
	return text
}

// speed is bytes per second on average; nothing while that would be a guess.
func speed(bytes int64, took time.Duration) string {
	if took < time.Second/2 || bytes <= 0 {
		return ""
	}
	return "  " + humanSize(int64(float64(bytes)/took.Seconds())) + "/s"
}

// barLine is at most width-1 characters: a full line would wrap.
func barLine(id string, offset, total int64, done bool, state string, width int) string {
	room := min(width-1-utf8.RuneCountInString(id)-utf8.RuneCountInString(state)-6, 50)
	if room < 5 {
		return cut(strings.TrimSpace(id)+"  "+state, width-1)
	}
	filled := 0
	switch {
	case done:
		filled = room
	case total > 0:
		filled = int(float64(room) * max(0, min(1, float64(offset)/float64(total))))
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
