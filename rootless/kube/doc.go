// Package kube turns manifests into objects, Pods and what they need, and says what in them cannot be done.
//
// Four questions are asked of a manifest, each by a function of its own, so that every mistake is named at once and before
// anything starts:
//
//	entries, err := Decode("pod.yaml", data)      is it a Pod at all?  unknown fields, wrong types: pod.yaml:7: spec.…: …
//	kind.Default(object)                           what does Kubernetes fill in?
//	errs := kind.Validate(object, features)        is it right, and can this version do it?  field.ErrorList, in Kubernetes' words
//	lines := WithoutEffect(object, features)       what is accepted but changes nothing on one machine?
//
// A Kind has the answers for one kind of object, those of templates included, which are read as Pods are; Default, Validate and so on without one are those for Pods. The third and fourth are
// two readings of one table (fields.go): every field of a Pod is in exactly one class, honoured, without effect, or never. A field that
// a newer Kubernetes adds fails a test until somebody puts it into the table.
//
// For an object that exists, ValidateUpdate says which changes are allowed and Equal whether there is one. A Part of a Pod, such as its ephemeral containers,
// is changed by itself; Patch makes of an object what clients send, DecodeProtobuf reads the other form in which they send objects. The rest are small
// pure functions that running a Pod needs: Environment, Command, Hostname, QOS, PullCredentials.
//
// What a Secret holds is in no error and no warning.
//
// Decode takes YAML from strangers: size, depth, number of values and number of documents are bounded, aliases are
// expanded within the same bounds, and an error names the line. It reads YAML as kubectl does (YAML 1.1: yes and on are booleans).
//
// Not promised: that a Pod which passes Validate will run. Images, ids outside the user's range and the like are known later.
package kube
