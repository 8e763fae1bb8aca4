package main

import (
	"io"
	"strings"
	"unicode/utf8"
)

// columns lays out a table: each column as wide as its widest cell and a gap, the last one as it comes. It remembers the
// widths, so that the lines of a watch, which come one by one, stay under their headers.
type columns struct {
	least  int // width of the narrowest column, gap included
	gap    int
	widths []int
}

// The layouts of kubectl get and of docker's lists.
func kubectlColumns() *columns { return &columns{least: 6, gap: 3} }
func dockerColumns() *columns  { return &columns{least: 10, gap: 3} }

func (c *columns) print(w io.Writer, rows [][]string) error {
	for _, row := range rows {
		for i := range row {
			row[i] = printable(row[i])
			if i == len(c.widths) {
				c.widths = append(c.widths, c.least)
			}
			c.widths[i] = max(c.widths[i], utf8.RuneCountInString(row[i])+c.gap)
		}
	}
	var b strings.Builder
	for _, row := range rows {
		for i, cell := range row {
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", c.widths[i]-utf8.RuneCountInString(cell)))
			}
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printable keeps a cell on its line and takes the teeth out of escape sequences, as kubectl does: cells come from images and
// manifests of strangers.
func printable(cell string) string {
	if i := strings.IndexAny(cell, "\f\n\r"); i >= 0 {
		cell = cell[:i] + "..."
	}
	return strings.ReplaceAll(cell, "\x1b", "^[")
}
