// Package state keeps what must survive: API objects through a reboot, facts about running Pods through the death of
// the node, and the names of all files.
//
// The database (DB) holds the objects. Its words: an object is what the user asked for, its status is what the node
// says about it; a revision is the number of a change, one counter for all kinds, that becomes the object's
// resourceVersion. One node writes; it has every object in memory, so the database keeps none and is read in full once,
// at the node's start:
//
//	db, err := state.Open(paths.Database())
//	pods, err := db.Objects("pods") // what the last node knew
//	err = db.Create(pod)            // durable when it returns; pod.ResourceVersion is set
//	err = db.SaveStatus(pod)        // returns at once; on disk about a second later, with its neighbours
//	revision, err := db.Delete("pods", pod.Namespace, pod.Name)
//
// Facts (WriteFile, ReadFile) are small JSON files in the runtime directory. They are replaced as a whole, so a reader sees the
// old one or the new one; they are not synced, since a machine that lost power has no running Pods either.
//
// Not promised: a status saved within the last second is lost if the machine (not the node) dies; it can be derived again.
// The file is readable for its owner only (mode 0600), but not encrypted, and the bytes of a deleted Secret stay in it until
// their page is used again. Revisions have gaps after a crash, but none is given out twice.
package state
