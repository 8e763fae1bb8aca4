package unpack

import "golang.org/x/sys/unix"

// dirs opens the directories that entries go to. It keeps the last ones open, one for each depth modulo dirSlots: tars
// walk a tree in depth, so the next entry's directory is mostly among them.
//
// A name that resolves keeps its meaning while entries are only added. Once one is removed the slots are stale, and are
// emptied before the next use; until then the descriptors of the current entry stay good.
type dirs struct {
	root  int
	slots [dirSlots]dir
	stale bool
	steps int // components walked in Go, see maxSteps
}

const dirSlots = 16

// dir is an open directory.
type dir struct {
	name string // as the tar has it, cleaned
	real string // from the root, without links
	fd   int    // 0: none
}

// linked says that the name leads through a symbolic link.
func (d dir) linked() bool { return d.name != d.real }

// get opens a directory beneath the root, with those that are missing on the way if create is set. The descriptor
// belongs to dirs; it is good until the next entry.
func (d *dirs) get(name string, create bool) (dir, error) {
	if d.stale {
		d.close()
	}
	if name == "" {
		return dir{fd: d.root}, nil
	}
	slot := d.slot(name)
	if slot.fd != 0 && slot.name == name {
		return *slot, nil
	}
	found, err := d.open(name, create)
	if err != nil {
		return dir{}, err
	}
	d.put(found)
	return found, nil
}

// peek opens a directory as get does without disturbing the slots. The caller calls release.
func (d *dirs) peek(name string) (found dir, release func(), err error) {
	slot := d.slot(name)
	switch {
	case name == "":
		return dir{fd: d.root}, func() {}, nil
	case !d.stale && slot.fd != 0 && slot.name == name:
		return *slot, func() {}, nil
	}
	found, err = d.open(name, false)
	return found, func() { unix.Close(found.fd) }, err
}

func (d *dirs) slot(name string) *dir { return &d.slots[depth(name)%dirSlots] }

// put hands over an open directory.
func (d *dirs) put(found dir) {
	slot := d.slot(found.name)
	if slot.fd != 0 {
		unix.Close(slot.fd)
	}
	*slot = found
}

func (d *dirs) close() {
	for i := range d.slots {
		if d.slots[i].fd != 0 {
			unix.Close(d.slots[i].fd)
		}
		d.slots[i] = dir{}
	}
	d.stale = false
}

func (d *dirs) open(name string, create bool) (dir, error) {
	fd, err := openPlainly(d.root, name, unix.O_DIRECTORY)
	if err == nil {
		return dir{name: name, real: name, fd: fd}, nil
	}
	if err != unix.ELOOP && (err != unix.ENOENT || !create) {
		return dir{}, sys("openat2", name, err)
	}
	real, err := d.resolve(name)
	if err != nil {
		return dir{}, sys("resolve", name, err)
	}
	if real != name || !create {
		fd, err = openPlainly(d.root, orDot(real), unix.O_DIRECTORY)
		if err == nil {
			return dir{name: name, real: real, fd: fd}, nil
		}
		if err != unix.ENOENT || !create {
			return dir{}, sys("openat2", real, err)
		}
	}
	fd, err = d.makeAll(real)
	return dir{name: name, real: real, fd: fd}, err
}

func orDot(name string) string {
	if name == "" {
		return "."
	}
	return name
}
