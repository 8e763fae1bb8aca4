package main

import (
	"context"

	noded "github.com/peapod/peapod/rootless/node"
)

func init() {
	ensureRunning = noded.Launch
	runNode = func(ctx context.Context, o nodeOptions) error {
		return noded.Main(ctx, noded.Options{Version: ownVersion().Version, GitCommit: ownVersion().GitCommit, Debug: o.debug})
	}
}
