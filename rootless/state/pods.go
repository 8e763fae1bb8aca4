package state

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
)

// statusRecord is a status that is newer than the object it belongs to.
type statusRecord struct {
	UID      types.UID
	Revision string
	Status   corev1.PodStatus
}

func podKey(namespace, name string) string { return namespace + "/" + name }

// Create stores a new Pod and sets its resourceVersion. The Pod is on disk when Create returns. A Pod of that name is an
// AlreadyExists error.
func (db *DB) Create(pod *corev1.Pod) error {
	return db.put(pod, func(_ string, exists bool) error {
		if exists {
			return apierrors.NewAlreadyExists(corev1.Resource("pods"), pod.Name)
		}
		return nil
	})
}

// Update replaces a Pod, its status included, and sets its resourceVersion. The change is on disk when Update returns. If
// the Pod has a resourceVersion that is not the stored one, the answer is a Conflict error; without one, the last writer wins.
// A missing Pod is a NotFound error.
func (db *DB) Update(pod *corev1.Pod) error {
	return db.put(pod, func(stored string, exists bool) error {
		switch {
		case !exists:
			return apierrors.NewNotFound(corev1.Resource("pods"), pod.Name)
		case pod.ResourceVersion != "" && pod.ResourceVersion != stored:
			return apierrors.NewConflict(corev1.Resource("pods"), pod.Name,
				fmt.Errorf("the object has been modified; please apply your changes to the latest version and try again"))
		}
		return nil
	})
}

// put writes the Pod in one transaction if check, given the stored resourceVersion, agrees.
func (db *DB) put(pod *corev1.Pod, check func(stored string, exists bool) error) error {
	key := podKey(pod.Namespace, pod.Name)
	previous := pod.ResourceVersion
	err := db.bolt.Update(func(tx *bbolt.Tx) error {
		if err := check(db.storedRevision(tx, key)); err != nil {
			return err
		}
		pod.ResourceVersion = db.next()
		data, err := json.Marshal(pod)
		if err != nil {
			return err
		}
		if err := tx.Bucket(podsBucket).Put([]byte(key), data); err != nil {
			return err
		}
		if err := tx.Bucket(podStatusBucket).Delete([]byte(key)); err != nil {
			return err
		}
		return db.reserve(tx)
	})
	if err != nil {
		pod.ResourceVersion = previous
		return wrap("store", key, err)
	}
	db.dropPending(key, pod.ResourceVersion)
	return nil
}

// storedRevision is the newest resourceVersion of the object at key, whether it is on disk or pending.
func (db *DB) storedRevision(tx *bbolt.Tx, key string) (revision string, exists bool) {
	data := tx.Bucket(podsBucket).Get([]byte(key))
	if data == nil {
		return "", false
	}
	var object struct {
		Metadata struct {
			ResourceVersion string
			UID             types.UID
		}
	}
	if json.Unmarshal(data, &object) == nil {
		revision = object.Metadata.ResourceVersion
	}
	if record, _ := db.status(tx, []byte(key)); record.UID == object.Metadata.UID && newer(record.Revision, revision) {
		revision = record.Revision
	}
	return revision, true
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
	db.pending[podKey(pod.Namespace, pod.Name)] = statusRecord{pod.UID, pod.ResourceVersion, *pod.Status.DeepCopy()}
	select {
	case db.wake <- struct{}{}:
	default:
	}
	err := db.failed
	db.failed = nil
	return err
}

// Delete removes the Pod; it is off the disk when Delete returns. The revision is that of the deletion. A missing Pod is a
// NotFound error.
func (db *DB) Delete(namespace, name string) (revision string, err error) {
	key := podKey(namespace, name)
	err = db.bolt.Update(func(tx *bbolt.Tx) error {
		if tx.Bucket(podsBucket).Get([]byte(key)) == nil {
			return apierrors.NewNotFound(corev1.Resource("pods"), name)
		}
		revision = db.next()
		if err := tx.Bucket(podsBucket).Delete([]byte(key)); err != nil {
			return err
		}
		if err := tx.Bucket(podStatusBucket).Delete([]byte(key)); err != nil {
			return err
		}
		return db.reserve(tx)
	})
	if err != nil {
		return "", wrap("delete", key, err)
	}
	db.dropPending(key, revision)
	return revision, nil
}

// wrap names the Pod in errors that do not do so themselves.
func wrap(act, key string, err error) error {
	if _, ok := err.(apierrors.APIStatus); ok {
		return err
	}
	return fmt.Errorf("%s pod %s: %w", act, key, err)
}

// Pods returns all Pods with their last status, in no particular order. A Pod that cannot be read is ErrDamaged.
func (db *DB) Pods() (pods []*corev1.Pod, err error) {
	path := db.bolt.Path()
	err = guarded(path, func() error {
		return db.bolt.View(func(tx *bbolt.Tx) error {
			return tx.Bucket(podsBucket).ForEach(func(key, data []byte) error {
				pod, err := db.decodePod(tx, key, data)
				if err != nil {
					return damaged(path, err)
				}
				pods = append(pods, pod)
				return nil
			})
		})
	})
	return pods, err
}

// decodePod puts an object and its status together.
func (db *DB) decodePod(tx *bbolt.Tx, key, data []byte) (*corev1.Pod, error) {
	pod := &corev1.Pod{}
	if err := json.Unmarshal(data, pod); err != nil {
		return nil, fmt.Errorf("decode pod %s: %w", key, err)
	}
	record, err := db.status(tx, key)
	if err != nil {
		return nil, err
	}
	if record.UID == pod.UID && newer(record.Revision, pod.ResourceVersion) {
		pod.ResourceVersion, pod.Status = record.Revision, *record.Status.DeepCopy()
	}
	return pod, nil
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
		objects, statuses := tx.Bucket(podsBucket), tx.Bucket(podStatusBucket)
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
