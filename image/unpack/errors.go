package unpack

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// EntryError says which entry of the tar stream could not be unpacked, and why.
type EntryError struct {
	Name string // as it is in the stream
	Err  error
}

func (e *EntryError) Error() string { return fmt.Sprintf("entry %q: %v", e.Name, e.Err) }
func (e *EntryError) Unwrap() error { return e.Err }

// LimitError says that a layer has more bytes than Options.Limit allows.
type LimitError struct{ Limit int64 }

func (e *LimitError) Error() string {
	return fmt.Sprintf("more than %d bytes uncompressed: the layer is a bomb, or the limit is too low for it", e.Limit)
}

// What is wrong with an entry by itself, whatever is on the disk.
var (
	errClimbs    = errors.New("climbs out of the layer")
	errNUL       = errors.New("a NUL byte in the name")
	errLinkClimb = errors.New("hard link to a file outside of the layer")
	errRoot      = errors.New("the layer's root is not a directory here")
	errWhiteout  = errors.New(`whiteout of nothing: no name after its ".wh."`)
	errTangled   = errors.New("too many symbolic links on the way to this layer's entries")
)

// sys gives a system call's error the call's name and the path, both as seen from the layer's root.
func sys(call, path string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: call, Path: path, Err: err}
}

// chownError tells the way out where the owner has no id in the user namespace.
func chownError(uid, gid int, err error) error {
	if errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("owner %d:%d has no id in this user namespace (give the user more in /etc/subuid and /etc/subgid): %w", uid, gid, err)
	}
	return fmt.Errorf("chown to %d:%d: %w", uid, gid, err)
}
