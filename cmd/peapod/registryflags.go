package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/peapod/peapod/rootless/api"
)

// registryFlags are those of verbs that speak to a registry.
type registryFlags struct {
	tlsVerify   bool
	credentials string
}

func (f *registryFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.tlsVerify, "tls-verify", true, "false: HTTP, and certificates that nobody vouches for, are fine")
	cmd.Flags().StringVar(&f.credentials, "creds", "", "USER:PASSWORD for the registry; other users can see it while this runs")
}

func (f *registryFlags) parse(cmd *cobra.Command) (api.Credentials, error) {
	user, password, ok := strings.Cut(f.credentials, ":")
	if f.credentials != "" && (!ok || user == "") {
		return api.Credentials{}, usagef(cmd, "--creds: want USER:PASSWORD")
	}
	return api.Credentials{Username: user, Password: password}, nil
}
