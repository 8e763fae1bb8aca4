package unpack

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// maxLinks is what the storage library follows in one name.
	maxLinks = 255

	// maxSteps bounds the time for names that lead through symbolic links, over the whole layer: 512 bytes of tar can cost
	// 255 links of 2000 components each.
	maxSteps = 1 << 24
)

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
