package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/peapod/peapod/rootless/api"
)

// buildVersion is set by the linker (-X main.buildVersion=v1.2.3).
var buildVersion = "devel"

type clientVersion struct {
	Version   string
	GitCommit string
	GoVersion string
	Platform  string
}

// versions is what version -o prints.
type versions struct {
	Client clientVersion `json:"clientVersion"`
	Node   *api.Version  `json:"nodeVersion,omitempty"`
}

type versionOptions struct {
	clientOnly bool
	output     string
}

func newVersion(a *app) *cobra.Command {
	var o versionOptions
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the versions of this program and of the node",
		Long:  "Print the versions of this program and of the node, with the node's engines and directories.",
		Example: `  # For people
  peapod version

  # For programs
  peapod version -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.version(cmd.Context(), &o) },
	}
	cmd.Flags().BoolVar(&o.clientOnly, "client", false, "of this program only")
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "json or yaml")
	return cmd
}

func (a *app) version(ctx context.Context, o *versionOptions) error {
	if o.output != "" && o.output != "json" && o.output != "yaml" {
		return unknownOutput(o.output, "json,yaml")
	}
	v := versions{Client: ownVersion()}
	if o.clientOnly {
		return a.printVersions(v, o.output)
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	node, nodeErr := c.Version(ctx)
	if nodeErr == nil {
		v.Node = node
	}
	if err := a.printVersions(v, o.output); err != nil {
		return err
	}
	return nodeErr
}

func (a *app) printVersions(v versions, output string) error {
	switch output {
	case "json":
		return indented(a.out, v)
	case "yaml":
		return indentedYAML(a.out, v)
	}
	fmt.Fprintf(a.out, "Client Version: %s\n", v.Client.Version)
	if n := v.Node; n != nil {
		fmt.Fprintf(a.out, "Node Version: %s\nKubernetes Version: %s\nNetwork: %s\nImage Store: %s\n",
			n.Version, n.Kubernetes, n.Network, n.ImageStore)
	}
	return nil
}

// ownVersion tells what the build recorded.
func ownVersion() clientVersion {
	v := clientVersion{Version: buildVersion, GoVersion: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				v.GitCommit = setting.Value
			}
		}
	}
	return v
}
