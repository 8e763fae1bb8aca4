package unpack

import (
	"archive/tar"
	"fmt"
	"strings"
)

// entry makes what a header says. Its steps and their order are the storage library's, as far as they can be told apart
// from outside: the parent directories, the removal of what is there, whiteouts, the file, its metadata.
func (u *unpacker) entry(hdr *tar.Header, p *payload) error {
	at, err := split(hdr.Name)
	if err != nil {
		return err
	}
	if at.isRoot() {
		return u.rootEntry(hdr)
	}
	parent, err := u.dirs.get(at.dir, true)
	if strings.HasPrefix(at.base, whiteoutPrefix) {
		return u.whiteout(hdr, parent, at, err)
	}
	if err != nil {
		return err
	}
	switch hdr.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
		p.raw = p.raw || parent.linked()
		return u.regular(hdr, parent, at, p)
	case tar.TypeDir:
		return u.directory(hdr, parent, at)
	case tar.TypeSymlink:
		return u.symlink(hdr, parent, at)
	case tar.TypeFifo:
		return u.fifo(hdr, parent, at)
	case tar.TypeLink:
		return u.hardLink(hdr, parent, at)
	case tar.TypeChar, tar.TypeBlock, tar.TypeXGlobalHeader:
		return u.clear(parent, at) // a user namespace makes no device nodes
	}
	return fmt.Errorf("type %q of a tar header is not known", hdr.Typeflag)
}
