package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tree is the content of one layer.
type tree struct {
	entries  map[string]*entry // by path without leading slash
	mergeUsr bool
}

type entry struct {
	header tar.Header
	data   []byte
}

// build collects a layer's content. when is the newest time found in its packages.
func build(d *description, l layerDescription, debs string) (t tree, when time.Time, err error) {
	t = tree{entries: map[string]*entry{}, mergeUsr: d.MergeUsr}
	for _, name := range l.Packages {
		if err := t.addPackage(name, debs, &when); err != nil {
			return t, when, fmt.Errorf("package %s: %w", name, err)
		}
	}
	for _, pattern := range l.Without {
		t.remove(pattern)
	}
	if l.Files != "" {
		if err := t.addDirectory(filepath.Join(l.dir, l.Files)); err != nil {
			return t, when, err
		}
	}
	if l.Applets != "" {
		if err := t.addApplets(l.Applets); err != nil {
			return t, when, fmt.Errorf("applets of %s: %w", l.Applets, err)
		}
	}
	return t, when, t.finish(l)
}

// finish applies what neither packages nor files can say.
func (t tree) finish(l layerDescription) error {
	for name, mode := range l.Directories {
		t.put(tar.Header{Typeflag: tar.TypeDir, Name: name}, nil)
		if err := t.chmod(name, mode); err != nil {
			return err
		}
	}
	for name, target := range l.Links {
		t.put(tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}, nil)
	}
	for name, mode := range l.Modes {
		if err := t.chmod(name, mode); err != nil {
			return err
		}
	}
	for name, owner := range l.Owners {
		if t.entries[name] == nil {
			return fmt.Errorf("owner of %s: %w", name, fs.ErrNotExist)
		}
		t.entries[name].header.Uid, t.entries[name].header.Gid = owner[0], owner[1]
	}
	// OCI image specification, layer.md: an empty file .wh.NAME deletes NAME, .wh..wh..opq hides what is in a directory.
	for _, name := range l.Whiteouts {
		dir, base := path.Split(name)
		t.put(tar.Header{Typeflag: tar.TypeReg, Name: dir + ".wh." + base, Mode: 0o644}, nil)
	}
	for _, name := range l.Opaque {
		t.put(tar.Header{Typeflag: tar.TypeReg, Name: name + "/.wh..wh..opq", Mode: 0o644}, nil)
	}
	return nil
}

// put adds an entry, and directories above it where there are none yet.
func (t tree) put(header tar.Header, data []byte) {
	header.Name = t.moved(header.Name)
	header.Size = int64(len(data))
	for dir := path.Dir(header.Name); dir != "."; dir = path.Dir(dir) {
		if t.entries[dir] == nil {
			t.entries[dir] = &entry{header: tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755}}
		}
	}
	t.entries[header.Name] = &entry{header, data}
}

// moved moves a path below /bin, /sbin and /lib* to /usr, if asked to: that is where installed Debian systems have them,
// but the packages of Debian 12 still name the old places. The links from the old places are in image.json.
func (t tree) moved(name string) string {
	first, _, below := strings.Cut(name, "/")
	if t.mergeUsr && below && (first == "bin" || first == "sbin" || strings.HasPrefix(first, "lib")) {
		return "usr/" + name
	}
	return name
}

func (t tree) chmod(name, octal string) error {
	mode, err := strconv.ParseInt(octal, 8, 16)
	if err != nil || t.entries[name] == nil {
		return fmt.Errorf("mode %q of %s: no such file, or not an octal number", octal, name)
	}
	t.entries[name].header.Mode = mode
	return nil
}

func (t tree) remove(pattern string) {
	for name := range t.entries {
		for part := name; part != "."; part = path.Dir(part) {
			if ok, _ := path.Match(pattern, part); ok {
				delete(t.entries, name)
			}
		}
	}
}

// debFile finds the package's file. There must be one, or it would be left to chance which version is taken.
func debFile(name, debs string) (string, error) {
	found, err := filepath.Glob(filepath.Join(debs, name+"_*.deb"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("%d files %s_*.deb in %s, want one", len(found), name, debs)
	}
	return found[0], nil
}

func (t tree) addPackage(name, debs string, newest *time.Time) error {
	file, err := debFile(name, debs)
	if err != nil {
		return err
	}
	command := exec.Command("dpkg-deb", "--fsys-tarfile", file)
	command.Stderr = os.Stderr
	stream, err := command.Output()
	if err != nil {
		return fmt.Errorf("dpkg-deb: %w", err)
	}
	for r := tar.NewReader(bytes.NewReader(stream)); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if header.ModTime.After(*newest) {
			*newest = header.ModTime
		}
		t.addFromPackage(header, data)
	}
}

func (t tree) addFromPackage(h *tar.Header, data []byte) {
	name := path.Clean(strings.TrimPrefix(h.Name, "./"))
	if name == "." || t.moved(name+"/") != name+"/" && h.Typeflag == tar.TypeDir && !strings.Contains(name, "/") {
		return // the root, and the old places
	}
	header := tar.Header{Typeflag: h.Typeflag, Name: name, Linkname: h.Linkname, Mode: h.Mode, Uid: h.Uid, Gid: h.Gid, ModTime: h.ModTime}
	if h.Typeflag == tar.TypeLink {
		header.Linkname = t.moved(path.Clean(strings.TrimPrefix(h.Linkname, "./")))
	}
	t.put(header, data)
}

// addDirectory adds the files below root. Of their modes only "executable" counts: the rest depends on who checked out
// the repository.
func (t tree) addDirectory(root string) error {
	return filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(root, file)
		if err != nil || name == "." || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		t.put(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644 | int64(info.Mode()&0o111)}, data)
		return nil
	})
}

// addApplets asks the binary for its applets' names.
func (t tree) addApplets(busybox string) error {
	binary := t.entries[t.moved(busybox)]
	if binary == nil {
		return fs.ErrNotExist
	}
	dir, err := os.MkdirTemp("", "ocipack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "busybox")
	if err := os.WriteFile(file, binary.data, 0o700); err != nil {
		return err
	}
	list, err := exec.Command(file, "--list").Output()
	if err != nil {
		return err
	}
	for name := range strings.FieldsSeq(string(list)) {
		name = path.Join(path.Dir(busybox), name)
		if name != busybox {
			t.put(tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: t.moved(busybox), Mode: 0o755}, nil)
		}
	}
	return nil
}

// write writes the tree as a tar stream, in an order in which each directory comes before what is in it and each file
// before its hard links. No time is later than clamp.
func (t tree) write(w io.Writer, clamp time.Time) error {
	names := slices.SortedFunc(maps.Keys(t.entries), func(a, b string) int {
		if links := isLink(t.entries[a]) - isLink(t.entries[b]); links != 0 {
			return links
		}
		return strings.Compare(a, b)
	})
	out := tar.NewWriter(w)
	for _, name := range names {
		e := t.entries[name]
		header := e.header
		if header.ModTime.IsZero() || header.ModTime.After(clamp) {
			header.ModTime = clamp
		}
		if header.Typeflag == tar.TypeDir {
			header.Name += "/"
		}
		if err := out.WriteHeader(&header); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if _, err := out.Write(e.data); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return out.Close()
}

func isLink(e *entry) int {
	if e.header.Typeflag == tar.TypeLink {
		return 1
	}
	return 0
}
