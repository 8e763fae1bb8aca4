package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os/exec"
	"slices"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// createHooks are those that run while a container is being created: in the runtime's namespaces, before pivot_root.
func createHooks(s *specs.Spec) []specs.Hook {
	if s.Hooks == nil {
		return nil
	}
	return slices.Concat(s.Hooks.Prestart, s.Hooks.CreateRuntime) //nolint:staticcheck // deprecated but in use
}

// runHooks runs hooks one after the other, with the state on their standard input, up to the first that fails.
func runHooks(hooks []specs.Hook, s specs.State) error {
	for _, h := range hooks {
		if err := runHook(h, s); err != nil {
			return fmt.Errorf("hook %s: %w", h.Path, err)
		}
	}
	return nil
}

func runHook(h specs.Hook, s specs.State) error {
	input, err := json.Marshal(s)
	if err != nil {
		return err
	}
	ctx := context.Background()
	if h.Timeout != nil {
		if *h.Timeout <= 0 {
			return fmt.Errorf("timeout %d: must be greater than zero", *h.Timeout)
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(*h.Timeout)*time.Second)
		defer cancel()
	}
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, h.Path)
	if len(h.Args) > 0 {
		cmd.Args = h.Args
	}
	cmd.Env = append([]string{}, h.Env...) // not nil, which would be the caller's
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &output, &output
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("not finished after %d s", *h.Timeout)
		}
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(output.String()))
	}
	return nil
}

// stopHooks runs the hooks of a deleted container. Their failures change nothing (runtime.md, "Lifecycle", step 13).
func stopHooks(c *record) {
	if c.Spec.Hooks == nil {
		return
	}
	for _, h := range c.Spec.Hooks.Poststop {
		if err := runHook(h, c.state(specs.StateStopped)); err != nil {
			slog.Warn("poststop hook", "path", h.Path, "error", err)
		}
	}
}
