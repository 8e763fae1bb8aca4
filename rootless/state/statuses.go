package state

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
	"k8s.io/apimachinery/pkg/types"
)

// statusKey names an object whose status is pending.
type statusKey struct{ resource, key string }

// statusRecord is a status that is newer than the object it belongs to.
type statusRecord struct {
	UID      types.UID
	Revision string
	Status   json.RawMessage
}

// recordOf is the record of an object's status.
func recordOf(o Object) (statusRecord, error) {
	status, err := json.Marshal(statusOf(o).Interface())
	return statusRecord{o.GetUID(), o.GetResourceVersion(), status}, err
}

// statusOf is the status of an object; it is not valid if its kind has none.
func statusOf(o Object) reflect.Value { return reflect.ValueOf(o).Elem().FieldByName("Status") }

func statusBucketOf(resource string) []byte { return append(bucketOf(resource), "/status"...) }

// status is the newest status of the object at key that was saved by itself; its zero value if there is none.
func (db *DB) status(tx *bbolt.Tx, resource string, key []byte) (record statusRecord, err error) {
	db.mu.Lock()
	pending, ok := db.pending[statusKey{resource, string(key)}]
	db.mu.Unlock()
	if ok {
		return recordOf(pending)
	}
	if data := tx.Bucket(statusBucketOf(resource)).Get(key); data != nil {
		if err := json.Unmarshal(data, &record); err != nil {
			return record, fmt.Errorf("decode the status of %s %s: %w", resource, key, err)
		}
	}
	return record, nil
}

// dropPending forgets the pending status of an object unless it is newer than revision.
func (db *DB) dropPending(key statusKey, revision string) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if o, ok := db.pending[key]; ok && !newer(o.GetResourceVersion(), revision) {
		delete(db.pending, key)
	}
}

// SaveStatus stores the object's status and sets its resourceVersion. It returns before the status is on disk, and keeps the object, which must not
// change any more; of several statuses of an object only the last may ever get there. The error is that of an earlier write in the background, if one failed
// (what it was to write is tried again together with this status).
func (db *DB) SaveStatus(o Object) error {
	db.mu.Lock()
	full := db.revision >= db.ceiling // only after revisionStep/2 statuses that could not be written
	db.mu.Unlock()
	if full {
		if err := db.flush(); err != nil {
			return err
		}
	}
	o.SetResourceVersion(db.next())
	db.mu.Lock()
	defer db.mu.Unlock()
	db.pending[statusKey{resourceOf(o), objectKey(o.GetNamespace(), o.GetName())}] = o
	select {
	case db.wake <- struct{}{}:
	default:
	}
	err := db.failed
	db.failed = nil
	return err
}

// withStatus gives an object the status that was saved for it after it was stored.
func (db *DB) withStatus(tx *bbolt.Tx, key []byte, o Object) error {
	record, err := db.status(tx, resourceOf(o), key)
	if err != nil || record.UID != o.GetUID() || !newer(record.Revision, o.GetResourceVersion()) {
		return err
	}
	o.SetResourceVersion(record.Revision)
	status := statusOf(o)
	status.SetZero()
	return json.Unmarshal(record.Status, status.Addr().Interface())
}

func newer(a, b string) bool {
	x, _ := strconv.ParseUint(a, 10, 64)
	y, _ := strconv.ParseUint(b, 10, 64)
	return x > y
}

// writeStatuses is the goroutine that brings pending statuses to disk.
func (db *DB) writeStatuses() {
	defer close(db.done)
	for {
		select {
		case <-db.stop:
			return
		case <-db.wake:
		}
		select {
		case <-db.stop:
			return
		case <-time.After(statusDelay):
		}
		if err := db.flush(); err != nil {
			db.mu.Lock()
			db.failed = err
			db.mu.Unlock()
		}
	}
}

// flush writes the pending statuses in one transaction; if that fails they stay pending. A status whose object was replaced
// or deleted meanwhile does no harm: it is older than the object, or has no object.
func (db *DB) flush() error {
	db.mu.Lock()
	pending := maps.Clone(db.pending)
	db.mu.Unlock()
	if len(pending) == 0 {
		return nil
	}
	err := db.bolt.Update(func(tx *bbolt.Tx) error {
		for key, o := range pending {
			if tx.Bucket(bucketOf(key.resource)).Get([]byte(key.key)) == nil {
				continue // a status that came after the deletion
			}
			record, err := recordOf(o)
			if err != nil {
				return err
			}
			data, err := json.Marshal(record)
			if err != nil {
				return err
			}
			if err := tx.Bucket(statusBucketOf(key.resource)).Put([]byte(key.key), data); err != nil {
				return err
			}
		}
		return db.reserve(tx)
	})
	if err != nil {
		return fmt.Errorf("store statuses: %w", err)
	}
	for key, o := range pending {
		db.dropPending(key, o.GetResourceVersion())
	}
	return nil
}
