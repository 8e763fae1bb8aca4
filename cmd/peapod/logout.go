package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/peapod/peapod/image"
)

func newLogout(a *app) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "logout [REGISTRY]",
		Short: "Forget the credentials for a registry",
		Long:  "Forget the credentials for a registry (docker.io if none is named), or for all.",
		Example: `  # One, or all
  peapod logout registry.example
  peapod logout -a`,
		Args: between(0, 1, "name one registry"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if all && len(args) > 0 {
				return usagef(cmd, "--all takes no registry")
			}
			if all {
				if err := image.LogoutAll(); err != nil {
					return err
				}
				fmt.Fprintln(a.out, "Removed login credentials for all registries")
				return nil
			}
			registry := cmp.Or(strings.Join(args, ""), dockerHub)
			if err := image.Logout(registry); err != nil {
				return err
			}
			fmt.Fprintln(a.out, "Removed login credentials for "+registry)
			return nil
		},
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "for all registries")
	return cmd
}
