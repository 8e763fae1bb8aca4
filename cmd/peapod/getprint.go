package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// getPrinter writes the answers of get: as a table whose cells the node has made, or as whole objects.
type getPrinter struct {
	app     *app
	kind    kind
	options *getOptions

	table   bool // what to ask the node for
	columns *columns
	prefix  string // of names, where several kinds are listed
	header  bool   // has been printed, or is not wanted
	object  objectPrinter
	watched int // objects printed by a watch so far
}

func (a *app) getPrinter(k kind, o *getOptions) (*getPrinter, error) {
	p := &getPrinter{app: a, kind: k, options: o, columns: kubectlColumns(), header: o.noHeaders}
	if o.output == "" || o.output == "wide" {
		p.table = true
		return p, nil
	}
	var err error
	if p.object, err = newObjectPrinter(o.output); err == nil && p.object == nil {
		err = unknownOutput(o.output, "go-template,json,name,wide,yaml")
	}
	return p, err
}

// first prints the answers to get; list tells that they are lists.
func (p *getPrinter) first(answers []json.RawMessage, list bool) error {
	if p.table {
		return p.printTables(answers, !p.options.watch)
	}
	items := []object{} // not nil: an empty list is [] in JSON
	for _, answer := range answers {
		o, err := decodeObject(answer)
		if err != nil {
			return err
		}
		items = append(items, o.items()...)
	}
	if p.options.output == "name" || p.options.watch {
		for _, item := range items {
			if err := p.printObject(item); err != nil {
				return err
			}
		}
		return nil
	}
	if !list && len(items) == 1 {
		return p.printObject(items[0])
	}
	return p.printObject(listOf(items))
}

// next prints one change of a watch.
func (p *getPrinter) next(answer json.RawMessage) error {
	if p.table {
		return p.printTables([]json.RawMessage{answer}, false)
	}
	o, err := decodeObject(answer)
	if err != nil {
		return err
	}
	return p.printObject(o)
}

// printObject divides the documents of a watch in YAML.
func (p *getPrinter) printObject(o object) error {
	if p.watched++; p.watched > 1 && p.options.output == "yaml" {
		fmt.Fprintln(p.app.out, "---")
	}
	return p.object(p.app.out, o)
}

// table is what is needed of a metav1.Table.
type table struct {
	ColumnDefinitions []struct {
		Name     string
		Priority int32
	}
	Rows []struct {
		Cells  []any
		Object struct {
			Metadata struct {
				Namespace string
				Labels    map[string]string
			}
		}
	}
}

func (p *getPrinter) printTables(answers []json.RawMessage, mayBeNone bool) error {
	var rows [][]string
	for _, answer := range answers {
		var t table
		if err := json.Unmarshal(answer, &t); err != nil {
			return fmt.Errorf("decode the node's table: %w", err)
		}
		if len(t.Rows) > 0 && !p.header {
			p.header = true
			rows = append(rows, p.headers(&t))
		}
		rows = append(rows, p.rows(&t)...)
	}
	if len(rows) == 0 && mayBeNone {
		if !p.options.ignoreNotFound {
			p.app.noneFound(p.kind, p.options.allNamespaces)
		}
		return nil
	}
	return p.columns.print(p.app.out, rows)
}

func (p *getPrinter) withNamespace() bool { return p.options.allNamespaces && p.kind.namespaced }

func (p *getPrinter) headers(t *table) []string {
	var row []string
	if p.withNamespace() {
		row = append(row, "NAMESPACE")
	}
	for _, column := range t.ColumnDefinitions {
		if column.Priority == 0 || p.options.output == "wide" {
			row = append(row, strings.ToUpper(column.Name))
		}
	}
	if p.options.showLabels {
		row = append(row, "LABELS")
	}
	return row
}

func (p *getPrinter) rows(t *table) [][]string {
	var rows [][]string
	for _, r := range t.Rows {
		var row []string
		if p.withNamespace() {
			row = append(row, r.Object.Metadata.Namespace)
		}
		for i, column := range t.ColumnDefinitions {
			if i < len(r.Cells) && (column.Priority == 0 || p.options.output == "wide") {
				cell := fmt.Sprint(r.Cells[i])
				if i == 0 {
					cell = p.prefix + cell
				}
				row = append(row, cell)
			}
		}
		if p.options.showLabels {
			row = append(row, labelsCell(r.Object.Metadata.Labels))
		}
		rows = append(rows, row)
	}
	return rows
}

func labelsCell(labels map[string]string) string {
	if len(labels) == 0 {
		return "<none>"
	}
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, key+"="+labels[key])
	}
	return strings.Join(pairs, ",")
}
