package main

import (
	"context"

	"github.com/peapod/peapod/rootless/logs"
	noded "github.com/peapod/peapod/rootless/node"
)

func init() {
	ensureRunning = noded.Launch
	unshare = noded.Unshare
	runNode = func(ctx context.Context, o nodeOptions) error {
		size, files, err := o.rotation()
		if err != nil {
			return err
		}
		v4, v6, err := o.ranges()
		if err != nil {
			return err
		}
		return noded.Main(ctx, noded.Options{
			Version: ownVersion().Version, GitCommit: ownVersion().GitCommit, Debug: o.debug,
			Rotation:      logs.Rotation{MaxSize: size, MaxFiles: files},
			NetworkEngine: o.engine,
			Runtime:       o.runtime,
			PodMaxPids:    o.podMaxPids,
			IPv4:          v4,
			IPv6:          v6,
		})
	}
}
