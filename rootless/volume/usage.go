package volume

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// blockSize is the unit of st_blocks (stat(2)).
const blockSize = 512

// Usage is how many bytes a volume takes on its file system, folders and all, as du(1) counts: files with several names once, other file systems
// in it not at all. It stops when that is more than most. Who is in the volume may change it meanwhile; what he does not get is that anything
// outside is looked at. A volume that is not there takes nothing.
//
// Not counted is what has no name any more but is still open. (Both as kubernetes/pkg/volume/util/fs, DiskUsage.)
func Usage(ctx context.Context, place string, most int64) (int64, error) {
	root, err := os.OpenRoot(place)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer root.Close()
	c := &counter{root: root, seen: map[uint64]bool{}}
	err = fs.WalkDir(root.FS(), ".", func(name string, _ fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		}
		if err := c.count(name); err != nil {
			return err
		}
		if c.used > most {
			return fs.SkipAll
		}
		return nil
	})
	return c.used, err
}

type counter struct {
	root   *os.Root
	device uint64
	seen   map[uint64]bool // inodes with several names
	used   int64
}

func (c *counter) count(name string) error {
	info, err := c.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	stat := info.Sys().(*syscall.Stat_t) // os, on Linux
	if name == "." {
		c.device = uint64(stat.Dev) //nolint:unconvert // 32 bits elsewhere
	}
	if uint64(stat.Dev) != c.device { //nolint:unconvert // 32 bits elsewhere
		if info.IsDir() {
			return fs.SkipDir
		}
		return nil
	}
	if stat.Nlink > 1 && !info.IsDir() {
		if c.seen[stat.Ino] {
			return nil
		}
		c.seen[stat.Ino] = true
	}
	c.used += stat.Blocks * blockSize
	return nil
}
