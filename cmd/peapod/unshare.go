package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/peapod/peapod/rootless/state"
)

// unshare replaces this process by a command in the user's namespaces.
var unshare = func(context.Context, state.Paths, []string) error {
	return errors.New("this program was built without the node")
}

func newUnshare(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "unshare [COMMAND [ARG...]]",
		Short: "Run a command where files of containers' users are yours",
		Long: `Run a command, $SHELL if none is given, in the user namespace of your Pods. There you are root over your subordinate ids: files that
containers' users have left in volumes can be listed with their owners as the containers know them, copied, given away and removed.
What Pods have mounted, such as volumes in memory, is to be seen too. For everybody else on the machine it is you who does it.`,
		Example: `  # Whose files are there?
  peapod unshare ls -ln data

  # Remove what a container's user has written to a host path
  peapod unshare rm -r data/db`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.givenSocket() != "" {
				return usagef(cmd, "the namespaces are those of your own node: --socket and PEAPOD_NODE cannot be used here")
			}
			paths, err := state.DefaultPaths(a.getenv, os.Getuid(), a.getenv("HOME"))
			if err != nil {
				return err
			}
			argv, err := a.unshareCommand(args)
			if err != nil {
				return err
			}
			return unshare(cmd.Context(), paths, argv)
		},
	}
	cmd.Flags().SetInterspersed(false) // what comes after the command is its own
	return cmd
}

// unshareCommand is the command with the program's path.
func (a *app) unshareCommand(args []string) ([]string, error) {
	if len(args) == 0 {
		args = []string{a.getenv("SHELL")}
		if args[0] == "" {
			args[0] = "/bin/sh"
		}
	}
	path, err := exec.LookPath(args[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return nil, fmt.Errorf("unshare: %w", err)
	}
	return append([]string{path}, args[1:]...), nil
}
