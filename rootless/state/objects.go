package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"go.etcd.io/bbolt"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Object is an object of a kind that is kept here.
type Object interface {
	metav1.Object
	runtime.Object
}

// The kinds that are kept, by the name of their resource.
var kinds = map[string]kept{
	"namespaces":             {corev1.SchemeGroupVersion, func() Object { return &corev1.Namespace{} }},
	"pods":                   {corev1.SchemeGroupVersion, func() Object { return &corev1.Pod{} }},
	"secrets":                {corev1.SchemeGroupVersion, func() Object { return &corev1.Secret{} }},
	"configmaps":             {corev1.SchemeGroupVersion, func() Object { return &corev1.ConfigMap{} }},
	"services":               {corev1.SchemeGroupVersion, func() Object { return &corev1.Service{} }},
	"endpoints":              {corev1.SchemeGroupVersion, func() Object { return &corev1.Endpoints{} }},
	"endpointslices":         {discoveryv1.SchemeGroupVersion, func() Object { return &discoveryv1.EndpointSlice{} }},
	"serviceaccounts":        {corev1.SchemeGroupVersion, func() Object { return &corev1.ServiceAccount{} }},
	"replicationcontrollers": {corev1.SchemeGroupVersion, func() Object { return &corev1.ReplicationController{} }},
	"deployments":            {appsv1.SchemeGroupVersion, func() Object { return &appsv1.Deployment{} }},
	"replicasets":            {appsv1.SchemeGroupVersion, func() Object { return &appsv1.ReplicaSet{} }},
	"statefulsets":           {appsv1.SchemeGroupVersion, func() Object { return &appsv1.StatefulSet{} }},
	"daemonsets":             {appsv1.SchemeGroupVersion, func() Object { return &appsv1.DaemonSet{} }},
	"jobs":                   {batchv1.SchemeGroupVersion, func() Object { return &batchv1.Job{} }},
	"cronjobs":               {batchv1.SchemeGroupVersion, func() Object { return &batchv1.CronJob{} }},
	"persistentvolumeclaims": {corev1.SchemeGroupVersion, func() Object { return &corev1.PersistentVolumeClaim{} }},
}

// kept is a kind that is kept.
type kept struct {
	version schema.GroupVersion
	empty   func() Object
}

// resources are the names of the kinds by the type of their objects.
var resources = func() map[reflect.Type]string {
	byType := map[reflect.Type]string{}
	for name, k := range kinds {
		byType[reflect.TypeOf(k.empty())] = name
	}
	return byType
}()

func resourceOf(o Object) string {
	if name, ok := resources[reflect.TypeOf(o)]; ok {
		return name
	}
	panic(fmt.Sprintf("state: bug: objects of type %T are not kept", o))
}

// groupResource is a resource's name in errors.
func groupResource(resource string) schema.GroupResource {
	return kinds[resource].version.WithResource(resource).GroupResource()
}

func bucketOf(resource string) []byte {
	return []byte(kinds[resource].version.String() + "/" + resource)
}

func objectKey(namespace, name string) string { return namespace + "/" + name }

// Create stores a new object and sets its resourceVersion. The object is on disk when Create returns. If there is one of
// that kind and name the answer is an AlreadyExists error.
func (db *DB) Create(o Object) error {
	return db.put(o, func(_ string, exists bool) error {
		if exists {
			return apierrors.NewAlreadyExists(groupResource(resourceOf(o)), o.GetName())
		}
		return nil
	})
}

// Update replaces an object, its status included, and sets its resourceVersion. The change is on disk when Update returns. If
// the object has a resourceVersion that is not the stored one, the answer is a Conflict error; without one, the last writer wins.
// A missing object is a NotFound error.
func (db *DB) Update(o Object) error {
	return db.put(o, func(stored string, exists bool) error {
		resource := groupResource(resourceOf(o))
		switch {
		case !exists:
			return apierrors.NewNotFound(resource, o.GetName())
		case o.GetResourceVersion() != "" && o.GetResourceVersion() != stored:
			return apierrors.NewConflict(resource, o.GetName(),
				errors.New("the object has been modified; please apply your changes to the latest version and try again"))
		}
		return nil
	})
}

// put writes the object in one transaction if check, given the stored resourceVersion, agrees.
func (db *DB) put(o Object, check func(stored string, exists bool) error) error {
	resource, key, previous := resourceOf(o), objectKey(o.GetNamespace(), o.GetName()), o.GetResourceVersion()
	err := db.bolt.Update(func(tx *bbolt.Tx) error {
		if err := check(db.storedRevision(tx, resource, key)); err != nil {
			return err
		}
		o.SetResourceVersion(db.next())
		data, err := json.Marshal(o)
		if err != nil {
			return err
		}
		if err := tx.Bucket(bucketOf(resource)).Put([]byte(key), data); err != nil {
			return err
		}
		return db.dropStatus(tx, resource, key)
	})
	if err != nil {
		o.SetResourceVersion(previous)
		return wrap("store", resource, key, err)
	}
	db.dropPending(statusKey{resource, key}, o.GetResourceVersion())
	return nil
}

// dropStatus deletes the saved status of an object that is just being replaced or deleted, and reserves revisions.
func (db *DB) dropStatus(tx *bbolt.Tx, resource, key string) error {
	if err := tx.Bucket(statusBucketOf(resource)).Delete([]byte(key)); err != nil {
		return err
	}
	return db.reserve(tx)
}

// storedRevision is the newest resourceVersion of the object at key, whether it is on disk or pending.
func (db *DB) storedRevision(tx *bbolt.Tx, resource, key string) (revision string, exists bool) {
	data := tx.Bucket(bucketOf(resource)).Get([]byte(key))
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
	if record, _ := db.status(tx, resource, []byte(key)); record.UID == object.Metadata.UID && newer(record.Revision, revision) {
		revision = record.Revision
	}
	return revision, true
}

// Delete removes the object; it is off the disk when Delete returns. The revision is that of the deletion. A missing object is
// a NotFound error.
func (db *DB) Delete(resource, namespace, name string) (revision string, err error) {
	key := objectKey(namespace, name)
	err = db.bolt.Update(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(bucketOf(resource))
		if bucket.Get([]byte(key)) == nil {
			return apierrors.NewNotFound(groupResource(resource), name)
		}
		revision = db.next()
		if err := bucket.Delete([]byte(key)); err != nil {
			return err
		}
		return db.dropStatus(tx, resource, key)
	})
	if err != nil {
		return "", wrap("delete", resource, key, err)
	}
	db.dropPending(statusKey{resource, key}, revision)
	return revision, nil
}

// wrap names the object in errors that do not do so themselves.
func wrap(act, resource, key string, err error) error {
	if _, ok := err.(apierrors.APIStatus); ok {
		return err
	}
	return fmt.Errorf("%s %s/%s: %w", act, resource, key, err)
}

// Objects returns all objects of a resource with their last status, in no particular order. One that cannot be read is
// ErrDamaged.
func (db *DB) Objects(resource string) (objects []Object, err error) {
	path := db.bolt.Path()
	err = guarded(path, func() error {
		return db.bolt.View(func(tx *bbolt.Tx) error {
			return tx.Bucket(bucketOf(resource)).ForEach(func(key, data []byte) error {
				o := kinds[resource].empty()
				if err := db.decode(tx, key, data, o); err != nil {
					return damaged(path, fmt.Errorf("decode %s/%s: %w", resource, key, err))
				}
				objects = append(objects, o)
				return nil
			})
		})
	})
	return objects, err
}

func (db *DB) decode(tx *bbolt.Tx, key, data []byte, o Object) error {
	if err := json.Unmarshal(data, o); err != nil {
		return err
	}
	return db.withStatus(tx, key, o)
}
