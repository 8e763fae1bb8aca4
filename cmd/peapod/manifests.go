package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/peapod/peapod/rootless/kube"
)

// manifestFlags are -f and -R of apply and delete.
type manifestFlags struct {
	files     []string
	recursive bool
}

func (m *manifestFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringSliceVarP(&m.files, "filename", "f", nil, "a manifest: a file, a folder, or - for standard input; may be repeated")
	cmd.Flags().BoolVarP(&m.recursive, "recursive", "R", false, "for a folder: its subfolders too")
	_ = cmd.MarkFlagFilename("filename", "yaml", "yml", "json") // fails only for a flag that does not exist
}

var manifestEndings = []string{".json", ".yaml", ".yml"}

// manifests reads and checks all documents of all files. Every mistake is in the error, with its file and line.
func (a *app) manifests(m *manifestFlags) ([]kube.Entry, error) {
	var objects []kube.Entry
	var mistakes []error
	stdinRead := false
	for _, name := range m.files {
		if name == "-" {
			if stdinRead {
				continue
			}
			stdinRead = true
		}
		files, err := m.expand(name)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			data, err := a.readFile(file)
			if err != nil {
				return nil, err
			}
			found, err := kube.Decode(file, data)
			if err == nil {
				err = absoluteHostPaths(file, found)
			}
			objects = append(objects, found...)
			mistakes = append(mistakes, err)
		}
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	objects = slices.DeleteFunc(objects, func(e kube.Entry) bool {
		if e.Ignored != "" {
			fmt.Fprintf(a.err, "Warning: %s:%d: ignored: %s\n", e.Source, e.Line, e.Ignored)
		}
		return e.Ignored != ""
	})
	for i := range objects {
		if err := a.settleNamespace(objects[i].Object); err != nil {
			return nil, err
		}
	}
	return objects, nil
}

// absoluteHostPaths lets relative host paths begin in the folder of the manifest that has them, those of standard input in the working
// directory.
func absoluteHostPaths(file string, entries []kube.Entry) error {
	dir, err := filepath.Abs(filepath.Dir(file)) // that of "-" is "."
	if err != nil {
		return err
	}
	for i := range entries {
		entries[i].AbsoluteHostPaths(dir)
	}
	return nil
}

// named reads manifests of objects that have names, by which a verb finds them.
func (a *app) named(m *manifestFlags, verb string) ([]kube.Entry, error) {
	entries, err := a.manifests(m)
	mistakes := []error{err}
	for i := range entries {
		e := &entries[i]
		message := "Required value"
		switch {
		case e.Object.GetName() != "":
			continue
		case e.Object.GetGenerateName() != "":
			message += ": cannot use generate name with " + verb
		}
		mistakes = append(mistakes, &kube.Error{Source: e.Source, Line: e.LineOf("metadata.name"), Path: "metadata.name", Message: message})
	}
	return entries, errors.Join(mistakes...)
}

// settleNamespace gives an object that names no namespace that of the command line, and refuses one that names another.
func (a *app) settleNamespace(o kube.Object) error {
	switch own := o.GetNamespace(); {
	case kube.KindOf(o).Cluster:
	case own == "":
		o.SetNamespace(a.namespace)
	case a.namespaceGiven && own != a.namespace:
		return fmt.Errorf("the namespace from the provided object %q does not match the namespace %q. "+
			"You must pass '--namespace=%s' to perform this operation", own, a.namespace, own)
	}
	return nil
}

func (a *app) readFile(name string) ([]byte, error) {
	if name == "-" {
		data, err := io.ReadAll(a.in)
		if err != nil {
			return nil, fmt.Errorf("read standard input: %w", err)
		}
		return data, nil
	}
	return os.ReadFile(name)
}

// expand makes a folder the manifests in it, in the order of their names.
func (m *manifestFlags) expand(name string) ([]string, error) {
	if name == "-" {
		return []string{name}, nil
	}
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the path %q does not exist", name)
	}
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{name}, nil
	}
	var files []string
	err = filepath.WalkDir(name, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != name && !m.recursive:
			return fs.SkipDir
		case !entry.IsDir() && slices.Contains(manifestEndings, filepath.Ext(path)):
			files = append(files, path)
		}
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("error reading [%s]: recognized file extensions are %v", name, manifestEndings)
	}
	return files, err
}

// A *locatedError is an error of the node about one object of a file.
type locatedError struct {
	entry *kube.Entry
	err   error
}

func (e *locatedError) Error() string { return e.err.Error() }
func (e *locatedError) Unwrap() error { return e.err }

// place is "pod.yaml:7: " for a field of the object.
func (e *locatedError) place(cause metav1.StatusCause) string {
	line := e.entry.LineOf(cause.Field)
	if line == 0 {
		return e.entry.Source + ": "
	}
	return fmt.Sprintf("%s:%d: ", e.entry.Source, line)
}
