package volume

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

const (
	blockSize  = 512  // the unit of st_blocks (stat(2))
	usageBatch = 1024 // names that are read at a time: a folder may have millions
	usageDepth = 1000 // folders in folders, each of which takes a descriptor; no path is that long (PATH_MAX)
)

// Usage is how many bytes a folder takes on its file system, folders in it and all, as du(1) counts: files with several names once, other file systems
// not at all. It stops when that is more than most. Who is in the folder may change it meanwhile and make it as large as he likes; what he does
// not get is that anything outside is looked at, nor more than a little of the caller's memory. A folder that is not there takes nothing.
//
// Not counted is what has no name any more but is still open (as with kubernetes/pkg/volume/util/fs, DiskUsage), and what is deeper than usageDepth.
func Usage(ctx context.Context, place string, most int64) (int64, error) {
	root, err := os.OpenFile(place, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer root.Close()
	var stat unix.Stat_t
	if err := unix.Fstat(int(root.Fd()), &stat); err != nil {
		return 0, &os.PathError{Op: "stat", Path: place, Err: err}
	}
	c := &counter{ctx: ctx, device: uint64(stat.Dev), most: most} //nolint:unconvert // 32 bits elsewhere
	c.count(&stat)
	if err = c.folder(root, 1); errors.Is(err, errEnough) {
		err = nil
	}
	return c.used, err
}

var errEnough = errors.New("more than the limit")

type counter struct {
	ctx        context.Context
	device     uint64
	used, most int64
}

// count counts one name. A file with several counts in parts, so that nobody has to remember it.
func (c *counter) count(stat *unix.Stat_t) {
	size := stat.Blocks * blockSize
	if links := int64(stat.Nlink); links > 1 && stat.Mode&unix.S_IFMT != unix.S_IFDIR { //nolint:unconvert // 32 bits elsewhere
		size /= links
	}
	c.used += size
}

// folder counts what is in a folder, by descriptors: no path is walked twice, and no link followed.
func (c *counter) folder(dir *os.File, depth int) error {
	for {
		names, err := dir.Readdirnames(usageBatch)
		for _, name := range names {
			if err := c.name(dir, name, depth); err != nil {
				return err
			}
		}
		switch {
		case c.ctx.Err() != nil:
			return c.ctx.Err()
		case errors.Is(err, io.EOF), errors.Is(err, fs.ErrNotExist): // a folder that was removed has no end of its own
			return nil
		case err != nil:
			return err
		}
	}
}

func (c *counter) name(dir *os.File, name string, depth int) error {
	var stat unix.Stat_t
	err := unix.Fstatat(int(dir.Fd()), name, &stat, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil
	case err != nil:
		return &os.PathError{Op: "stat", Path: name, Err: err}
	case uint64(stat.Dev) != c.device: //nolint:unconvert // 32 bits elsewhere
		return nil
	}
	if c.count(&stat); c.used > c.most {
		return errEnough
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR || depth == usageDepth {
		return nil
	}
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) { // it is something else by now
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "open", Path: name, Err: err}
	}
	child := os.NewFile(uintptr(fd), name)
	defer child.Close()
	return c.folder(child, depth+1)
}
