package kube

import (
	"reflect"

	"k8s.io/apimachinery/pkg/api/equality"
)

// What a manifest says of an object are its labels, its annotations and every field that is not status; the rest of metadata and the status are
// the node's. All kinds are made of these parts under these names, which is what lets the functions here serve each of them.

// sameWish says whether two objects say the same.
func sameWish(a, b Object) bool {
	return sameLabels(a, b) && equality.Semantic.DeepEqual(wish(a), wish(b))
}

// wish is a copy of the object without metadata and status.
func wish(o Object) Object {
	w := o.DeepCopyObject().(Object)
	part(w, "TypeMeta").SetZero()
	part(w, "ObjectMeta").SetZero()
	if status := part(w, "Status"); status.IsValid() {
		status.SetZero()
	}
	return w
}

// adoptWish gives stored what applied says.
func adoptWish(stored, applied Object) {
	adoptLabels(stored, applied)
	changed := !equality.Semantic.DeepEqual(wish(applied), wish(stored))
	target, source := reflect.ValueOf(stored).Elem(), reflect.ValueOf(applied.DeepCopyObject()).Elem()
	for i := range target.NumField() {
		switch target.Type().Field(i).Name {
		case "TypeMeta", "ObjectMeta", "Status":
		default:
			target.Field(i).Set(source.Field(i))
		}
	}
	if changed && part(stored, "Spec").IsValid() { // only specs are counted
		stored.SetGeneration(stored.GetGeneration() + 1)
	}
}

// part is a field of an object; it is not valid if there is none.
func part(o Object, name string) reflect.Value { return reflect.ValueOf(o).Elem().FieldByName(name) }
