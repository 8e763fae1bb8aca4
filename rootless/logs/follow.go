package logs

import (
	"context"
	"errors"
	"os"
)

// follow reads a log and those that come after it. The one it has at last stays open, for its caller.
func follow(ctx context.Context, path string, log **os.File, start int64, out *printer, done <-chan struct{}) (err error) {
	// Made before the log is read, so that no growth goes by unseen.
	w := newWatch(*log)
	defer func() { w.close() }()
	for last := false; ; {
		select {
		case <-done: // before reading: what was written until then is read
			last = true
		default:
		}
		if start, err = readFrom(ctx, *log, start, out); err != nil {
			return err
		}
		next, err := successor(path, *log)
		if err != nil {
			return err
		}
		if next != nil {
			// It may have grown before it was rotated.
			if _, err := readFrom(ctx, *log, start, out); err != nil {
				next.Close()
				return err
			}
			w.close()
			(*log).Close()
			*log, start, w = next, 0, newWatch(next)
			continue
		}
		if last {
			return nil
		}
		if err := out.flush(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-done:
		case <-w.grown:
		}
	}
}

// successor opens the log that was begun after this one was full. It is nil if this one is not, or if the log has been removed.
// A reader so slow that its log is gone, or has been compressed, goes on with the oldest that is not.
func successor(path string, log *os.File) (*os.File, error) {
	own, err := log.Stat()
	if err != nil {
		return nil, err
	}
	for {
		paths, at, err := behind(path, own)
		if err != nil || at == len(paths)-1 {
			return nil, err
		}
		next, err := os.Open(paths[at+1])
		if !errors.Is(err, os.ErrNotExist) { // else it has just been removed or compressed
			return next, err
		}
	}
}

// behind lists the logs that can be read, the current one last. at is the place of this one, -1 if it is not among them.
func behind(path string, own os.FileInfo) (paths []string, at int, err error) {
	current, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, -1, nil
	}
	if err != nil || os.SameFile(own, current) {
		return []string{path}, 0, err
	}
	all, err := rotatedLogs(path)
	if err != nil {
		return nil, 0, err
	}
	at = -1
	for _, r := range all {
		if r.gz {
			continue
		}
		info, err := os.Stat(r.path)
		if err != nil {
			continue // as above
		}
		if os.SameFile(own, info) {
			at = len(paths)
		}
		paths = append(paths, r.path)
	}
	return append(paths, path), at, nil
}
