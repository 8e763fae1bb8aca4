package volume

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// Names in a volume of files. What users see are links to links, so that one rename(2) changes all files at once
// (kubernetes/pkg/volume/util, AtomicWriter):
//
//	..2026_01_02_15_04_05.123456789/    a folder with all files, as they were at that time
//	..data                              → that folder
//	config.yaml, sub                    → ..data/config.yaml, ..data/sub
const (
	dataLink    = "..data"
	newDataLink = "..data_tmp"
	stampFormat = "..2006_01_02_15_04_05.000000000"
)

// Projection is a volume of files.
type Projection struct {
	Place   string
	Files   Files
	Folders []string     // that containers mount other volumes on; they are always there
	Own     func() error // gives everything in Place to its owners; may be nil
}

// Write makes a volume show its files, at once for whoever reads through ..data. If it does already, nothing is touched. What a writer
// that was interrupted has left is removed by the next one. There must be one at a time.
func (p Projection) Write(now time.Time) error {
	for name := range p.Files {
		if err := checkName(name); err != nil {
			return err
		}
	}
	if err := os.Mkdir(p.Place, sharedMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.Chmod(p.Place, sharedMode); err != nil { // whatever the umask
		return err
	}
	root, err := os.OpenRoot(p.Place)
	if err != nil {
		return err
	}
	defer root.Close()
	old, err := root.Readlink(dataLink)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if old != "" && shows(root, old, p.Files) {
		return p.tidy(root, old) // which whoever wrote them may not have come to
	}
	for _, folder := range p.Folders {
		if err := root.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	fresh := now.UTC().Format(stampFormat)
	if err := writeAll(root, fresh, p.Files); err != nil {
		return errors.Join(err, root.RemoveAll(fresh))
	}
	if p.Own != nil { // what is not seen yet too
		if err := p.Own(); err != nil {
			return errors.Join(err, root.RemoveAll(fresh))
		}
	}
	if err := swap(root, fresh); err != nil {
		return errors.Join(err, root.RemoveAll(fresh))
	}
	return p.tidy(root, fresh)
}

// checkName wants a path that leads down, and no name that Write uses itself.
func checkName(name string) error {
	const most = 4096 // PATH_MAX
	switch {
	case name == "" || name == "." || len(name) > most:
		return fmt.Errorf("invalid path %q: must not be empty or longer than %d bytes", name, most)
	case !fs.ValidPath(name) || strings.ContainsRune(name, 0):
		return fmt.Errorf("invalid path %q: must be relative and must not contain '..'", name)
	case strings.HasPrefix(name, ".."):
		return fmt.Errorf("invalid path %q: must not start with '..'", name)
	}
	return nil
}

// shows tells whether a folder has exactly these files, with these modes as far as the owner goes.
func shows(root *os.Root, dir string, files Files) bool {
	for name, f := range files {
		data, err := root.ReadFile(path.Join(dir, name))
		if err != nil || !bytes.Equal(data, f.Data) {
			return false
		}
		info, err := root.Stat(path.Join(dir, name))
		if err != nil || uint32(info.Mode().Perm())&f.Mode != f.Mode {
			return false
		}
	}
	count := 0
	err := fs.WalkDir(root.FS(), dir, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			count++
		}
		return err
	})
	return err == nil && count == len(files)
}

func writeAll(root *os.Root, dir string, files Files) error {
	if err := makeDir(root, dir); err != nil {
		return err
	}
	for name, f := range files {
		parts := strings.Split(name, "/")
		for i := range parts[:len(parts)-1] {
			if err := makeDir(root, path.Join(dir, path.Join(parts[:i+1]...))); err != nil {
				return err
			}
		}
		if err := writeOne(root, path.Join(dir, name), f); err != nil {
			return err
		}
	}
	return nil
}

func makeDir(root *os.Root, name string) error {
	if err := root.Mkdir(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func writeOne(root *os.Root, name string, f File) error {
	if err := root.WriteFile(name, f.Data, 0o600); err != nil {
		return err
	}
	if f.User != nil {
		if err := root.Lchown(name, int(*f.User), -1); err != nil {
			return err
		}
	}
	return root.Chmod(name, fs.FileMode(f.Mode)) // whatever the umask
}

// swap lets ..data lead to another folder.
func swap(root *os.Root, dir string) error {
	if err := root.Remove(newDataLink); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := root.Symlink(dir, newDataLink); err != nil {
		return err
	}
	return root.Rename(newDataLink, dataLink)
}

// tidy makes the links that users see what they should be, and removes folders of earlier times.
func (p Projection) tidy(root *os.Root, current string) error {
	wanted := tops(slices.Collect(maps.Keys(p.Files)))
	kept := tops(p.Folders)
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	var errs []error
	present := map[string]bool{}
	for _, e := range entries {
		name := e.Name()
		switch {
		case name == dataLink || name == current || kept[name] && e.IsDir():
		case wanted[name] && e.Type() == fs.ModeSymlink:
			present[name] = true
		default:
			errs = append(errs, root.RemoveAll(name))
		}
	}
	for name := range wanted {
		if !present[name] && !kept[name] {
			errs = append(errs, root.Symlink(path.Join(dataLink, name), name))
		}
	}
	return errors.Join(errs...)
}

// tops are the first parts of paths.
func tops(names []string) map[string]bool {
	top := map[string]bool{}
	for _, name := range names {
		first, _, _ := strings.Cut(name, "/")
		top[first] = true
	}
	return top
}
