package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Layout of the database: one bucket per kind for the objects (bucketOf) and one for statuses newer than their object (statusBucketOf), all keyed
// by "namespace/name"; values are JSON.
var (
	metaBucket = []byte("meta")

	ceilingKey = []byte("revision-ceiling") // meta: 8 bytes, big endian; no revision above it was ever given out
)

const (
	// revisionStep is how many revisions are reserved at a time, so that a status save needs no write of its own.
	revisionStep = 4096
	// statusDelay lets the statuses of a Pod that starts or ends gather into one write.
	statusDelay = time.Second
	// lockTimeout is long enough for a node that is just ending.
	lockTimeout = time.Second
)

// The errors of Open that a caller may want to tell apart.
var (
	// ErrLocked: another node has the database open.
	ErrLocked = errors.New("another node has it open")
	// ErrDamaged: the file is no database, or broken.
	ErrDamaged = errors.New("the file is damaged")
)

// DB is the open database. Its methods may be called from several goroutines. Changes are ordered by bbolt's writer lock:
// revisions are given out inside the transaction. mu is held for moments only, never while the disk is waited for, so
// saving a status does not wait for a neighbour's durable write.
type DB struct {
	bolt *bbolt.DB

	mu       sync.Mutex // guards what follows; taken inside a transaction, never the other way round
	revision uint64
	ceiling  uint64
	pending  map[statusKey]Object // with statuses that are not yet on disk
	failed   error                // of the last write in the background

	wake chan struct{}
	stop chan struct{}
	done chan struct{}
}

// Open opens the database, making it and its directory if need be. It waits up to a second for another node to let go of it
// (ErrLocked).
func Open(path string) (*DB, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open state database: %w", err)
	}
	bolt, err := openBolt(path)
	if err != nil {
		return nil, err
	}
	db := &DB{
		bolt:    bolt,
		pending: map[statusKey]Object{},
		wake:    make(chan struct{}, 1),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
	}
	if err := guarded(path, db.begin); err != nil {
		if !errors.Is(err, ErrDamaged) { // else a lock of bbolt's may be held for good
			bolt.Close()
		}
		return nil, err
	}
	go db.writeStatuses()
	return db, nil
}

func openBolt(path string) (bolt *bbolt.DB, err error) {
	err = guarded(path, func() error {
		bolt, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout, FreelistType: bbolt.FreelistMapType})
		return err
	})
	return bolt, err
}

// guarded runs fn and turns every way in which bbolt meets a broken file into one error: error values, panics, the bus error
// of a mapping that reaches beyond a truncated file, and EFBIG where a page's number is nonsense.
func guarded(path string, fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	// bbolt makes pointers of what it reads. A wild one that the garbage collector met would end the process.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	defer func() {
		if cause := recover(); cause != nil {
			err = damaged(path, fmt.Errorf("%v", cause))
		}
	}()
	var errno syscall.Errno
	switch err = fn(); {
	case err == nil, errors.Is(err, ErrDamaged):
		return err
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("open state database: %s: %w", path, ErrLocked)
	case errors.As(err, &errno) && errno != syscall.EFBIG: // the system says no; the file may be sound
		return fmt.Errorf("open state database: %w", err)
	}
	return damaged(path, err)
}

func damaged(path string, cause error) error {
	return fmt.Errorf("open state database: %s: %w (%w); move it away to start without any Pods", path, ErrDamaged, cause)
}

// begin makes the buckets and reserves the first revisions.
func (db *DB) begin() error {
	return db.bolt.Update(func(tx *bbolt.Tx) error {
		names := [][]byte{metaBucket}
		for _, resource := range slices.Sorted(maps.Keys(kinds)) {
			names = append(names, bucketOf(resource), statusBucketOf(resource))
		}
		for _, name := range names {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		if value := tx.Bucket(metaBucket).Get(ceilingKey); len(value) == 8 {
			db.revision = binary.BigEndian.Uint64(value)
		}
		return db.reserve(tx)
	})
}

// next gives out a revision. One that is given out in a transaction that fails is never used.
func (db *DB) next() string {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.revision++
	return formatRevision(db.revision)
}

// reserve moves the ceiling if it is near.
func (db *DB) reserve(tx *bbolt.Tx) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.ceiling >= db.revision+revisionStep/2 {
		return nil
	}
	ceiling := db.revision + revisionStep
	tx.OnCommit(func() {
		db.mu.Lock()
		defer db.mu.Unlock()
		db.ceiling = ceiling
	})
	return tx.Bucket(metaBucket).Put(ceilingKey, binary.BigEndian.AppendUint64(nil, ceiling))
}

// Revision is the number of the last change, in the form of a list's resourceVersion.
func (db *DB) Revision() string {
	db.mu.Lock()
	defer db.mu.Unlock()
	return formatRevision(db.revision)
}

// Close writes what is pending and closes the file. No other method may be running or called later.
func (db *DB) Close() error {
	close(db.stop)
	<-db.done
	return errors.Join(db.flush(), db.bolt.Close())
}

func formatRevision(revision uint64) string { return strconv.FormatUint(revision, 10) }
