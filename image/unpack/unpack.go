package unpack

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"
)

// Options say how a layer is unpacked.
type Options struct {
	// IgnoreChownErrors folds owners that have no id in the user namespace to its root: for users without subordinate ids.
	IgnoreChownErrors bool
	// Limit is the most bytes the stream may have, and the most that its sparse files may claim together; beyond it is a
	// *LimitError. 0: no limit.
	Limit int64
	// Scratch is the directory for the tar-split.
	Scratch string
}

// Layer is what the storage library records of a layer.
type Layer struct {
	DiffID     digest.Digest // SHA-256 of the whole stream, with what follows the tar's end
	Size       int64         // bytes of the stream
	UIDs, GIDs []uint32      // of all headers but the whiteouts', sorted
	RootMode   *os.FileMode  // nil if no entry is for the root
	TarSplit   *os.File      // lines of JSON, not compressed; the caller closes it
	// Replaced names the first entry that took the place of an earlier one with content; "" if none did. The tar of such a
	// layer cannot be made again from TarSplit. (podman and docker refuse to pull such a layer.)
	Replaced string
}

// unpacker is the state of one Unpack.
type unpacker struct {
	o      Options
	stream *stream
	split  *splitWriter
	dirs   dirs
	times  dirTimes
	layer  Layer

	self     owner // whom new files belong to
	foreign  bool  // a directory may have another group, which new files in it may get
	removed  bool  // something was removed: directories may be gone
	sparse   int64 // bytes claimed by sparse files
	seen     seen
	uids     map[uint32]struct{}
	gids     map[uint32]struct{}
	lastName string
}

// Unpack puts a tar stream into root, an empty directory opened with O_DIRECTORY. It returns after its last call of
// r.Read has, also when it fails; what is in root then is the caller's to remove.
func Unpack(root *os.File, r io.Reader, o Options) (*Layer, error) {
	u := &unpacker{
		o: o, dirs: dirs{root: int(root.Fd())}, seen: newSeen(),
		self: owner{uint32(os.Geteuid()), uint32(os.Getegid())},
		uids: map[uint32]struct{}{}, gids: map[uint32]struct{}{},
	}
	defer runtime.KeepAlive(root)
	defer u.dirs.close()
	var st unix.Stat_t
	if err := unix.Fstat(u.dirs.root, &st); err != nil {
		return nil, sys("fstat", root.Name(), err)
	}
	u.foreign = st.Gid != u.self.gid
	file, err := scratchFile(o.Scratch)
	if err != nil {
		return nil, err
	}
	u.split = newSplitWriter(file)
	u.stream = newStream(r, o.Limit)
	err = u.run()
	u.stream.close()
	if u.stream.failed != nil {
		err = u.stream.failed // no entry's fault
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return u.result(file), nil
}

func (u *unpacker) run() error {
	for {
		more, err := u.next()
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	if err := u.drain(); err != nil {
		return err
	}
	if err := u.times.apply(u); err != nil {
		return err
	}
	if err := u.split.finish(); err != nil {
		return fmt.Errorf("tar-split: %w", err)
	}
	return nil
}

func (u *unpacker) result(file *os.File) *Layer {
	l := u.layer
	l.DiffID = digest.NewDigest(digest.SHA256, u.stream.hash)
	l.Size = u.stream.size
	l.UIDs, l.GIDs = sorted(u.uids), sorted(u.gids)
	l.TarSplit = file
	return &l
}

// next handles one header and its payload. Each header gets a tar.Reader of its own: that keeps no state from one to the
// next, and so the payload can go by it, straight from the stream's block to the file.
func (u *unpacker) next() (more bool, err error) {
	t := tar.NewReader(recorder{u})
	hdr, err := t.Next()
	if err == io.EOF {
		return false, nil
	}
	if err != nil {
		return false, u.headerError(err)
	}
	u.record(hdr)
	u.lastName = hdr.Name
	p := &payload{u: u, name: hdr.Name, sparse: isSparse(hdr), tar: t}
	if hasPayload(hdr) {
		p.size = hdr.Size
	}
	if err = p.begin(); err == nil {
		err = u.entry(hdr, p)
	}
	if err == nil {
		err = p.end()
	}
	if err != nil {
		return false, &EntryError{Name: hdr.Name, Err: err}
	}
	return true, nil
}

func (u *unpacker) headerError(err error) error {
	if u.lastName == "" {
		return fmt.Errorf("first header: %w", err)
	}
	return fmt.Errorf("header after entry %q: %w", u.lastName, err)
}

// record notes the owner, as the storage library does for whoever wants to map ids of the layer.
func (u *unpacker) record(hdr *tar.Header) {
	if !strings.HasPrefix(path.Base(hdr.Name), whiteoutPrefix) {
		u.uids[uint32(hdr.Uid)] = struct{}{}
		u.gids[uint32(hdr.Gid)] = struct{}{}
	}
}

// drain reads what follows the tar's end: zeros mostly, but part of the digest whatever they are.
func (u *unpacker) drain() error {
	for {
		p, err := u.stream.peek(blockSize)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		u.split.segment(p)
		u.stream.skip(len(p))
	}
}

func sorted(set map[uint32]struct{}) []uint32 {
	ids := make([]uint32, 0, len(set))
	for id := range set {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// scratchFile makes a file without a name.
func scratchFile(dir string) (*os.File, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	file, err := os.OpenFile(dir, unix.O_TMPFILE|os.O_RDWR, 0o600)
	if err == nil {
		return file, nil
	}
	if file, err = os.CreateTemp(dir, "tar-split-"); err != nil {
		return nil, err
	}
	return file, os.Remove(file.Name())
}
