package unpack

import (
	"path"
	"strings"
)

// place is where an entry goes: a directory, seen from the layer's root and without dots, and a name in it. The root
// itself is place{"", "."}.
type place struct{ dir, base string }

func (p place) isRoot() bool { return p.base == "." }

func (p place) String() string { return path.Join(p.dir, p.base) }

// split finds the place of an entry by its name alone; links are for later. An absolute name starts at the layer's root.
func split(name string) (place, error) {
	if strings.IndexByte(name, 0) >= 0 {
		return place{}, errNUL
	}
	name = path.Clean(name)
	if climbs(name) {
		return place{}, errClimbs
	}
	return splitClean(name), nil
}

// splitLink does the same for the target of a hard link, where ".." after the leading slash climbs as well.
func splitLink(name string) (place, error) {
	if strings.IndexByte(name, 0) >= 0 {
		return place{}, errNUL
	}
	name = path.Clean("./" + name)
	if climbs(name) {
		return place{}, errLinkClimb
	}
	return splitClean(name), nil
}

func climbs(clean string) bool { return clean == ".." || strings.HasPrefix(clean, "../") }

func splitClean(name string) place {
	dir, base := path.Split(strings.TrimPrefix(name, "/"))
	if base == "" {
		base = "."
	}
	return place{dir: strings.TrimSuffix(dir, "/"), base: base}
}

// depth counts the directories of a clean name.
func depth(dir string) int {
	if dir == "" {
		return 0
	}
	return strings.Count(dir, "/") + 1
}
