package state

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// statusRecord is a status that is newer than the object it belongs to.
type statusRecord struct {
	UID      types.UID
	Revision string
	Status   corev1.PodStatus
}

// status is the newest status of the object at key that was saved by itself; its zero value if there is none.
func (db *DB) status(tx *bbolt.Tx, key []byte) (record statusRecord, err error) {
	db.mu.Lock()
	record, ok := db.pending[string(key)]
	db.mu.Unlock()
	if data := tx.Bucket(podStatusBucket).Get(key); !ok && data != nil {
		if err := json.Unmarshal(data, &record); err != nil {
			return record, fmt.Errorf("decode the status of pod %s: %w", key, err)
		}
	}
	return record, nil
}

// dropPending forgets the pending status of key unless it is newer than revision.
func (db *DB) dropPending(key, revision string) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if record, ok := db.pending[key]; ok && !newer(record.Revision, revision) {
		delete(db.pending, key)
	}
}

// SaveStatus stores the Pod's status and sets its resourceVersion. It returns before the status is on disk; of several
// statuses of a Pod only the last may ever get there. The error is that of an earlier write in the background, if one failed
// (what it was to write is tried again together with this status).
func (db *DB) SaveStatus(pod *corev1.Pod) error {
	db.mu.Lock()
	full := db.revision >= db.ceiling // only after revisionStep/2 statuses that could not be written
	db.mu.Unlock()
	if full {
		if err := db.flush(); err != nil {
			return err
		}
	}
	pod.ResourceVersion = db.next()
	db.mu.Lock()
	defer db.mu.Unlock()
	db.pending[objectKey(pod.Namespace, pod.Name)] = statusRecord{pod.UID, pod.ResourceVersion, *pod.Status.DeepCopy()}
	select {
	case db.wake <- struct{}{}:
	default:
	}
	err := db.failed
	db.failed = nil
	return err
}

// withStatus gives a Pod the status that was saved for it after it was stored.
func (db *DB) withStatus(tx *bbolt.Tx, key []byte, pod *corev1.Pod) error {
	record, err := db.status(tx, key)
	if err == nil && record.UID == pod.UID && newer(record.Revision, pod.ResourceVersion) {
		pod.ResourceVersion, pod.Status = record.Revision, *record.Status.DeepCopy()
	}
	return err
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
		objects, statuses := tx.Bucket(bucketOf(podsResource)), tx.Bucket(podStatusBucket)
		for key, record := range pending {
			if objects.Get([]byte(key)) == nil {
				continue // a status that came after the deletion
			}
			data, err := json.Marshal(record)
			if err != nil {
				return err
			}
			if err := statuses.Put([]byte(key), data); err != nil {
				return err
			}
		}
		return db.reserve(tx)
	})
	if err != nil {
		return fmt.Errorf("store the status of pods: %w", err)
	}
	for key, record := range pending {
		db.dropPending(key, record.Revision)
	}
	return nil
}
