package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"go.podman.io/storage"
	graphdriver "go.podman.io/storage/drivers"
	"golang.org/x/sync/errgroup"
)

// parallel is how many layers of one image are on their way at a time. More would not be faster, and each takes about
// three megabytes of memory.
const parallel = 6

// bringLayers has all layers in the store when it returns without an error. They download and unpack at the same time, and
// enter the store in order, each on top of its parent.
func (a *arrival) bringLayers(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	slots := make(chan struct{}, parallel)
	if !a.source.HasThreadSafeGetBlob() {
		slots = make(chan struct{}, 1)
	}
	below := make(chan struct{}) // closed when the parent of the next layer is in the store
	close(below)
	for i := range a.layers {
		l, parent, here := &a.layers[i], below, make(chan struct{})
		below = here
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return group.Wait()
		}
		leave := sync.OnceFunc(func() { <-slots })
		group.Go(func() error {
			defer leave()
			if err := a.bringLayer(ctx, l, parent, leave); err != nil {
				return err
			}
			close(here)
			return nil
		})
	}
	return group.Wait()
}

// bringLayer has one layer in the store when it returns without an error. Several arrivals that need the same layer share
// the work: one does it, the others wait; should that one give up, the next takes over. staged is called when no more is
// downloaded or unpacked.
func (a *arrival) bringLayer(ctx context.Context, l *layer, parent <-chan struct{}, staged func()) error {
	for {
		other := a.store.layers.begin(l.id)
		if other == nil {
			break
		}
		staged()
		if err := a.store.layers.wait(ctx, other); err != nil {
			return err
		}
	}
	defer a.store.layers.end(l.id)
	if a.store.storage.Exists(l.id) {
		a.report(Progress{Layer: l.blob.Digest, Offset: l.blob.Size, Total: l.blob.Size, Done: true, Message: "already present"})
		return nil
	}
	var out *graphdriver.DriverWithDifferOutput
	err := retry(ctx, func() (err error) {
		out, err = a.stage(ctx, l)
		return err
	})
	if err != nil {
		return err
	}
	staged()
	select {
	case <-parent:
	case <-ctx.Done():
		return errors.Join(ctx.Err(), a.store.storage.CleanupStagedLayer(out))
	}
	if err := a.apply(l, out); err != nil {
		return errors.Join(err, a.store.storage.CleanupStagedLayer(out))
	}
	a.report(Progress{Layer: l.blob.Digest, Offset: l.blob.Size, Total: l.blob.Size, Done: true, Message: "complete"})
	return nil
}

// apply makes a staged layer one of the store.
func (a *arrival) apply(l *layer, out *graphdriver.DriverWithDifferOutput) error {
	_, err := a.store.storage.ApplyStagedLayer(storage.ApplyStagedLayerOptions{
		ID: l.id, ParentLayer: l.parent, DiffOutput: out,
		DiffOptions:  &graphdriver.ApplyDiffWithDifferOpts{},
		LayerOptions: &storage.LayerOptions{OriginalDigest: l.blob.Digest, OriginalSize: &l.blob.Size, Flags: map[string]any{layerFlag: true}},
	})
	if errors.Is(err, storage.ErrDuplicateID) {
		return a.store.storage.CleanupStagedLayer(out) // another process was faster
	}
	if err != nil {
		return fmt.Errorf("%s: enter it into the store: %w", l.what(), err)
	}
	// The layer was moved out of its staging directory, whose lock is gone.
	return os.RemoveAll(filepath.Dir(out.Target))
}

// layerFlag marks the layers that we made, in the storage library's record of them.
const layerFlag = "peapod"

// claims are the layers that somebody is bringing into the store.
type claims struct {
	mu sync.Mutex
	by map[string]chan struct{} // by chain id

	waiters atomic.Int32
}

// begin claims a layer and returns nil, or what is closed when its present owner ends.
func (c *claims) begin(id string) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if other, taken := c.by[id]; taken {
		return other
	}
	if c.by == nil {
		c.by = map[string]chan struct{}{}
	}
	c.by[id] = make(chan struct{})
	return nil
}

// wait returns when a claim's owner has ended, or ctx's error.
func (c *claims) wait(ctx context.Context, other <-chan struct{}) error {
	c.waiters.Add(1)
	defer c.waiters.Add(-1)
	select {
	case <-other:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *claims) end(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.by[id])
	delete(c.by, id)
}
