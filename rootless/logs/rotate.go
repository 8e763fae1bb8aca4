package logs

import (
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Rotation bounds what the logs of one container instance take. The zero value sets no bounds.
type Rotation struct {
	MaxSize  int64 // of one file, in bytes
	MaxFiles int   // with the one that is being written; at least 2
}

// What is added to the name of a log: the time at which it was rotated, in UTC, as the kubelet writes it; ".gz" if it is compressed;
// and for a file that is being made another word, which is no time.
const (
	stampFormat = "20060102-150405"
	gzSuffix    = ".gz"
	newSuffix   = ".new" // the next log, before it has its name
	tmpSuffix   = ".tmp" // what is being compressed
)

// rotated is a log that was rotated away.
type rotated struct {
	path  string
	stamp string // sorts by time
	gz    bool
}

// rotatedLogs finds the rotated files of a log, oldest first.
func rotatedLogs(path string) ([]rotated, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	var found []rotated
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), filepath.Base(path)+".")
		stamp, gz := strings.CutSuffix(rest, gzSuffix)
		if ok && isStamp(stamp) {
			found = append(found, rotated{filepath.Join(filepath.Dir(path), e.Name()), stamp, gz})
		}
	}
	// Of a file whose compression was not finished both are there.
	slices.SortFunc(found, func(a, b rotated) int {
		return cmp.Or(strings.Compare(a.stamp, b.stamp), strings.Compare(a.path, b.path))
	})
	return found, nil
}

func isStamp(s string) bool {
	at, counter, counted := strings.Cut(s, ".")
	if _, err := time.Parse(stampFormat, at); err != nil {
		return false
	}
	if !counted {
		return true
	}
	_, err := strconv.ParseUint(counter, 10, 32)
	return err == nil && len(counter) == counterDigits
}

const counterDigits = 6

// nextStamp is the time, or if that does not sort behind the newest rotated log, the latter's with a counter: a log can be full
// several times in a second, and a clock can be set back.
func nextStamp(now time.Time, newest string) string {
	if stamp := now.UTC().Format(stampFormat); stamp > newest {
		return stamp
	}
	at, counter, _ := strings.Cut(newest, ".")
	n, _ := strconv.ParseUint(counter, 10, 32)
	return fmt.Sprintf("%s.%0*d", at, counterDigits, n+1)
}

// makeRoom rotates if records would make the log larger than it may be. A log that cannot be rotated grows.
func (f *File) makeRoom(records int) {
	if f.rotation.MaxSize <= 0 || f.size == 0 || f.size+int64(records) <= f.rotation.MaxSize {
		return
	}
	if err := f.rotate(); err != nil && !f.stuck {
		f.stuck = true
		slog.Error("a container's log cannot be rotated and grows", "log", f.path, "error", err)
	} else if err == nil {
		f.stuck = false
	}
}

// rotate begins a new file. There is a log at the path at any time, and no batch in the journal: a process that dies on the way leaves
// what tidy removes.
func (f *File) rotate() error {
	old, err := rotatedLogs(f.path)
	if err != nil {
		return err
	}
	newest := ""
	if len(old) > 0 {
		newest = old[len(old)-1].stamp
	}
	now := f.now()
	next := rotated{stamp: nextStamp(now, newest)}
	next.path = f.path + "." + next.stamp
	if err := os.Link(f.path, next.path); err != nil {
		return err
	}
	log, err := os.OpenFile(f.path+newSuffix, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
	if err == nil {
		err = os.Rename(f.path+newSuffix, f.path)
	}
	if err != nil {
		if log != nil {
			log.Close()
		}
		return errors.Join(err, os.Remove(next.path))
	}
	f.log.Close() // nothing waits to be written
	f.log, f.size = log, 0
	f.prune(now, append(old, next))
	return nil
}

// prune deletes the oldest files that are too many, and compresses all but the newest beside.
func (f *File) prune(now time.Time, all []rotated) {
	for len(all) > max(f.rotation.MaxFiles-1, 1) {
		if err := os.Remove(all[0].path); err != nil && !errors.Is(err, os.ErrNotExist) {
			slog.Warn("remove an old log", "error", err)
		}
		all = all[1:]
	}
	older := slices.DeleteFunc(all[:len(all)-1], func(r rotated) bool { return r.gz || now.Sub(r.at()) < compressAge })
	if len(older) == 0 || !f.compressing.CompareAndSwap(false, true) {
		return // the next rotation sees to it
	}
	f.work.Go(func() {
		defer f.compressing.Store(false)
		select {
		case compressor <- struct{}{}:
		case <-f.ctx.Done():
			return
		}
		defer func() { <-compressor }()
		for _, r := range older {
			if err := compress(f.ctx, r.path); err != nil && !errors.Is(err, os.ErrNotExist) && f.ctx.Err() == nil {
				slog.Warn("compress an old log", "error", err)
			}
		}
	})
}

// compressAge is how old a file must be to be worth it: those of a container that writes without end are deleted sooner.
const compressAge = time.Second

// compressor lets one file at a time be compressed, whatever the number of containers.
var compressor = make(chan struct{}, 1)

// at is when it was rotated.
func (r rotated) at() time.Time {
	text, _, _ := strings.Cut(r.stamp, ".")
	at, _ := time.Parse(stampFormat, text)
	return at
}

// compress replaces a file by a compressed one.
func compress(ctx context.Context, path string) (err error) {
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(path+tmpSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(to.Name()))
		}
	}()
	z := gzip.NewWriter(to)
	for err == nil && ctx.Err() == nil {
		_, err = io.CopyN(z, from, window)
	}
	switch {
	case err == nil:
		err = ctx.Err()
	case err == io.EOF:
		err = z.Close()
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return err
	}
	if err := os.Rename(to.Name(), path+gzSuffix); err != nil {
		return err
	}
	return os.Remove(path)
}

// tidy removes what a process left that died while it rotated or compressed.
func tidy(path string) error {
	current, err := os.Stat(path)
	if err != nil {
		return err
	}
	all, err := rotatedLogs(path)
	if err != nil {
		return err
	}
	errs := []error{remove(path + newSuffix)}
	for i, r := range all {
		info, err := os.Stat(r.path)
		switch {
		case err != nil:
			errs = append(errs, err)
		case os.SameFile(info, current), // it was about to be rotated
			i+1 < len(all) && all[i+1].stamp == r.stamp: // it has been compressed
			errs = append(errs, remove(r.path))
		}
		errs = append(errs, remove(r.path+tmpSuffix))
	}
	return errors.Join(errs...)
}

// Remove deletes a log that is closed, with all that were rotated away.
func Remove(path string) error {
	all, err := rotatedLogs(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	errs := []error{err, remove(path), remove(path + newSuffix)}
	for _, r := range all {
		errs = append(errs, remove(r.path), remove(r.path+tmpSuffix))
	}
	return errors.Join(errs...)
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
