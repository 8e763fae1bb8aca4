package unpack

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

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
