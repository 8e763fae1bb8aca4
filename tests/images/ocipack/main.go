package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "ocipack:", err)
		os.Exit(1)
	}
}

const usage = "usage: ocipack packages DIR… | pack -debs D -o OUT DIR… | push -to HOST:PORT [-ca DIR|-http] [-creds USER:PASSWORD] LAYOUT… | sizes LAYOUT…"

func run(args []string, out io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("%s", usage)
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	switch args[0] {
	case "packages":
		return parsed(flags, args[1:], func(dirs []string) error { return printPackages(dirs, out) })
	case "pack":
		debs := flags.String("debs", ".", "directory of .deb files")
		to := flags.String("o", ".", "directory for the layouts")
		return parsed(flags, args[1:], func(dirs []string) error { return packAll(dirs, *debs, *to, out) })
	case "push":
		var o pushOptions
		flags.StringVar(&o.registry, "to", "", "registry, HOST:PORT")
		flags.StringVar(&o.certDir, "ca", "", "directory with ca.crt of the registry")
		flags.BoolVar(&o.http, "http", false, "the registry speaks plain HTTP")
		flags.StringVar(&o.credentials, "creds", "", "USER:PASSWORD")
		return parsed(flags, args[1:], func(layouts []string) error { return push(layouts, o, out) })
	case "sizes":
		return parsed(flags, args[1:], func(layouts []string) error { return printSizes(layouts, out) })
	}
	return fmt.Errorf("%s", usage)
}

func parsed(flags *flag.FlagSet, args []string, do func([]string) error) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return fmt.Errorf("%s", usage)
	}
	return do(flags.Args())
}

func printPackages(dirs []string, out io.Writer) error {
	var names []string
	for _, dir := range dirs {
		d, err := readDescription(dir)
		if err != nil {
			return err
		}
		for _, l := range d.Layers {
			names = append(names, l.Packages...)
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		fmt.Fprintln(out, name)
	}
	return nil
}

func packAll(dirs []string, debs, to string, out io.Writer) error {
	for _, dir := range dirs {
		d, err := readDescription(dir)
		if err != nil {
			return err
		}
		manifest, err := pack(d, debs, filepath.Join(to, filepath.Base(dir)))
		if err != nil {
			return fmt.Errorf("pack %s: %w", d.Name, err)
		}
		fmt.Fprintln(out, d.Name, manifest)
	}
	return nil
}
