package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// floors are what starting something costs at least here.
func floors(dir string) map[string][]string {
	return map[string][]string{
		"fork and exec true": {"true"},
		"bwrap, all namespaces": {
			"bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true",
		},
		"crun run": {"crun", "--cgroup-manager=disabled", "--root", filepath.Join(dir, "crun"), "run", "--bundle", filepath.Join(dir, "bundle"), "floor"},
	}
}

// printFloor leaves out what does not work here.
func printFloor(ctx context.Context, out io.Writer, o options) error {
	dir := filepath.Join(o.dir, "floor")
	defer os.RemoveAll(dir)
	_ = makeBundle(ctx, filepath.Join(dir, "bundle")) // without it crun fails, and is left out
	fmt.Fprintln(out)
	w := newTable(out)
	fmt.Fprintln(w, "floor, ms\tmedian\tmin\t")
	commands := floors(dir)
	for _, name := range []string{"fork and exec true", "bwrap, all namespaces", "crun run"} {
		var times []time.Duration
		for range o.rounds {
			cmd := exec.CommandContext(ctx, commands[name][0], commands[name][1:]...)
			began := time.Now()
			if cmd.Run() != nil {
				break
			}
			times = append(times, time.Since(began))
		}
		if len(times) > 0 {
			median, least := middle(times)
			fmt.Fprintf(w, "%s\t%.1f\t%.1f\t\n", name, median, least)
		}
	}
	w.Flush()
	return ctx.Err()
}

// makeBundle makes a bundle for crun that runs busybox's true.
func makeBundle(ctx context.Context, dir string) error {
	program, err := exec.LookPath("busybox")
	if err != nil {
		return err
	}
	b, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "rootfs", "bin"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "rootfs", "bin", "true"), b, 0o755); err != nil {
		return err
	}
	spec := exec.CommandContext(ctx, "crun", "spec", "--rootless")
	spec.Dir = dir
	if err := spec.Run(); err != nil {
		return err
	}
	path := filepath.Join(dir, "config.json")
	config, err := editSpec(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, config, 0o644)
}

// editSpec makes the specification that crun writes run true, without a terminal.
func editSpec(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var spec specs.Spec
	if err := json.Unmarshal(b, &spec); err != nil {
		return nil, err
	}
	spec.Process.Terminal, spec.Process.Args = false, []string{"/bin/true"}
	return json.Marshal(spec)
}
