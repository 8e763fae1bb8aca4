package main

import (
	"context"
	"os"

	"github.com/peapod/peapod/rootless/api/client"
	"github.com/peapod/peapod/rootless/state"
)

// ensureRunning starts the user's node and returns when it answers.
var ensureRunning func(ctx context.Context, paths state.Paths) error

// connect returns the client for the user's node, which is started when the first request finds nobody. A socket that
// was named by flag or variable is somebody else's to serve.
func (a *app) connect() (*client.Client, error) { return a.dial(ensureRunning) }

// connectRunning returns the client for a node that is not started for this.
func (a *app) connectRunning() (*client.Client, error) { return a.dial(nil) }

func (a *app) dial(start func(context.Context, state.Paths) error) (*client.Client, error) {
	if socket := a.givenSocket(); socket != "" {
		return client.New(socket, nil), nil
	}
	paths, err := state.DefaultPaths(a.getenv, os.Getuid(), a.getenv("HOME"))
	if err != nil {
		return nil, err
	}
	if start == nil {
		return client.New(paths.NodeSocket(), nil), nil
	}
	return client.New(paths.NodeSocket(), func(ctx context.Context) error { return start(ctx, paths) }), nil
}

func (a *app) givenSocket() string {
	if a.socket != "" {
		return a.socket
	}
	return a.getenv("PEAPOD_NODE")
}
