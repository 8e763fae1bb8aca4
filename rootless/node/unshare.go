package node

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/peapod/peapod/rootless/state"
	"github.com/peapod/peapod/rootless/userns"
)

// Unshare replaces the calling process by a command in U and M, where the user is root over his subordinate ids and the files of volumes and
// images look as containers have them. argv[0] is a path on the host. It returns only on failure.
func Unshare(ctx context.Context, paths state.Paths, argv []string) error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := Launch(ctx, paths); err != nil && !errors.Is(err, ErrRunning) { // it is what makes the holder
		return err
	}
	holder, err := userns.Load(paths.Holder())
	if err == nil && holder == nil {
		err = errors.New("the holder of the namespaces is gone")
	}
	if err != nil {
		return fmt.Errorf("enter the user namespace: %w", err)
	}
	return holder.Enter(dir, argv, os.Environ(), nil)
}
