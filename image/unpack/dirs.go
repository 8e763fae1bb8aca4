package unpack

import (
	"errors"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

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

const (
	dirSlots = 16

	// maxLinks is what the storage library follows in one name.
	maxLinks = 255

	// maxSteps bounds the time for names that lead through symbolic links, over the whole layer: 512 bytes of tar can cost
	// 255 links of 2000 components each.
	maxSteps = 1 << 24

	// Where a symbolic link is on the way, or nothing is there, resolve takes over.
	plainly = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS
)

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

// resolve follows the symbolic links in a clean name as inside a chroot, and returns the name without them. As in the
// storage library, what does not exist is taken by its letters: "gone/../x" is "x".
func (d *dirs) resolve(name string) (real string, err error) {
	w := walk{root: d.root, at: d.root}
	defer w.leave()
	todo := strings.Split(name, "/")
	for links := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		if part == "" || part == "." {
			continue
		}
		if d.steps++; part == ".." {
			d.steps += depth(w.real)
		}
		if d.steps > maxSteps {
			return "", errTangled
		}
		target, err := w.step(part)
		if err != nil {
			return "", err
		}
		if target == "" {
			continue
		}
		if links++; links > maxLinks {
			return "", unix.ELOOP
		}
		if strings.HasPrefix(target, "/") {
			w.restart("")
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return w.real, nil
}

// walk goes down from the root by one component at a time.
type walk struct {
	root int
	real string // where it is
	at   int    // the directory at real; -1 if there is none
}

func (w *walk) leave() {
	if w.at >= 0 && w.at != w.root {
		unix.Close(w.at)
	}
	w.at = -1
}

// restart goes to a name without links.
func (w *walk) restart(real string) {
	w.leave()
	w.real, w.at = real, w.root
	if real != "" {
		fd, err := openPlainly(w.root, real, unix.O_DIRECTORY)
		if err != nil {
			fd = -1
		}
		w.at = fd
	}
}

// step takes one component. If it is a symbolic link, the walk stays where it is and its target is returned.
func (w *walk) step(part string) (target string, err error) {
	if part == ".." {
		up := path.Dir(w.real)
		if up == "." {
			up = ""
		}
		w.restart(up)
		return "", nil
	}
	next := path.Join(w.real, part)
	if len(next) >= unix.PathMax {
		return "", unix.ENAMETOOLONG
	}
	if w.at < 0 {
		w.real = next
		return "", nil
	}
	fd, err := openPlainly(w.at, part, unix.O_NOFOLLOW)
	switch {
	case err == unix.ENOENT || err == unix.ENOTDIR:
		fd = -1
	case err != nil:
		return "", err
	default:
		if target, err = readlink(fd); err != nil || target != "" {
			unix.Close(fd)
			return target, err
		}
	}
	w.leave()
	w.real, w.at = next, fd
	return "", nil
}

// readlink returns the target of a symbolic link opened with O_PATH, "" for anything else.
func readlink(fd int) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	if err == unix.ENOENT || err == unix.EINVAL { // what an empty path gives for other kinds of files
		return "", nil
	}
	return string(buf[:max(n, 0)]), err
}

// makeAll makes the directories of a name without links as far as they are missing, owned by the namespace's root, and
// opens the last.
func (d *dirs) makeAll(real string) (int, error) {
	at := d.root
	for part := range strings.SplitSeq(real, "/") {
		err := unix.Mkdirat(at, part, missingMode)
		made := err == nil
		var fd int
		if made || err == unix.EEXIST {
			fd, err = openPlainly(at, part, unix.O_DIRECTORY|unix.O_NOFOLLOW)
		}
		if at != d.root {
			unix.Close(at)
		}
		if err != nil {
			return 0, sys("mkdir", real, err)
		}
		at = fd
		if made {
			if err := settleMissing(at); err != nil {
				unix.Close(at)
				return 0, sys("mkdir", real, err)
			}
		}
	}
	return at, nil
}

// missingMode is the mode of a directory that files are in without its own entry: what the storage library gives under
// the usual umask of 022.
const missingMode = 0o755

// settleMissing undoes what umask and a parent's group made of a new directory. The set-group-ID bit is inherited, and
// stays.
func settleMissing(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if int(st.Uid) != os.Geteuid() || int(st.Gid) != os.Getegid() {
		if err := unix.Fchownat(fd, "", os.Geteuid(), os.Getegid(), unix.AT_EMPTY_PATH); err != nil {
			return err
		}
	}
	if st.Mode&0o777 != missingMode {
		return unix.Chmod(procPath(fd), st.Mode&0o7000|missingMode)
	}
	return nil
}

func orDot(name string) string {
	if name == "" {
		return "."
	}
	return name
}

// openPlainly opens without following a link anywhere; a link as the last component needs O_NOFOLLOW in flags.
func openPlainly(at int, name string, flags uint64) (int, error) {
	return openat2(at, name, &unix.OpenHow{Flags: flags | unix.O_PATH | unix.O_CLOEXEC, Resolve: plainly})
}

// openat2 retries: EAGAIN means that a rename anywhere in the system came between, EINTR a signal.
func openat2(at int, name string, how *unix.OpenHow) (int, error) {
	for {
		fd, err := unix.Openat2(at, name, how)
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ENOSYS):
			return -1, errKernel
		default:
			return fd, err
		}
	}
}
