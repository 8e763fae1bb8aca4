package tests

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/peapod/peapod"

// floors are the packages of rootless from the top down. A package imports only what stands below it.
var floors = []string{
	"node", "api", "lifecycle", "controller", "kube", "oci", "container", "sandbox", "volume", "probe", "logs", "cgroup", "seccomp", "userns", "plan", "state",
}

// A goPackage is what `go list -json` says of one.
type goPackage struct {
	ImportPath, Dir string
	GoFiles         []string
	Imports         []string
	TestImports     []string
	XTestImports    []string
}

// name is the path within the module.
func (p goPackage) name() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

func packages(t *testing.T) map[string]goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = ".."
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	found := map[string]goPackage{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		found[p.ImportPath] = p
	}
	if len(found) < len(floors)/2 {
		t.Fatalf("go list found only %d packages", len(found))
	}
	return found
}

// forbidden says why one part of the module must not import another, or nothing.
func forbidden(from, to string) string {
	part := func(name string) string { top, _, _ := strings.Cut(name, "/"); return top }
	switch part(from) {
	case "image", "netstack":
		if part(to) != part(from) {
			return part(from) + " stands alone"
		}
	case "rootless":
		if part(to) == "cmd" || part(to) == "tests" {
			return "rootless is below " + part(to)
		}
		return forbiddenInside(from, to)
	case "cmd":
		if part(to) == "tests" {
			return "programs do not import tests"
		}
	}
	return ""
}

func forbiddenInside(from, to string) string {
	upper, lower := floor(from), floor(to)
	switch {
	case upper < 0:
		return from + " has no place in the list of floors"
	case part(to) == part(from), !strings.HasPrefix(to, "rootless/"), lower > upper:
		return ""
	case lower < 0:
		return to + " has no place in the list of floors"
	}
	return fmt.Sprintf("%s stands above %s", floors[lower], floors[upper])
}

// part is the package of rootless that a package belongs to: rootless/api for rootless/api/client.
func part(name string) string { return strings.Join(strings.SplitN(name, "/", 3)[:2], "/") }

func floor(name string) int {
	_, below, ok := strings.Cut(name, "rootless/")
	if !ok {
		return -1
	}
	top, _, _ := strings.Cut(below, "/")
	return slices.Index(floors, top)
}

// TestImports follows every import within the module; what only tests import counts too.
func TestImports(t *testing.T) {
	all := packages(t)
	for _, p := range all {
		for _, path := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			to, ours := all[path]
			if !ours || path == p.ImportPath {
				continue
			}
			if why := forbidden(p.name(), to.name()); why != "" {
				t.Errorf("%s imports %s: %s\n\tby %s", p.name(), to.name(), why, strings.Join(chain(all, p.ImportPath), " → "))
			}
		}
	}
}

// chain is how a program comes to import a package.
func chain(all map[string]goPackage, to string) []string {
	from := map[string]string{}
	var next []string
	for path, p := range all {
		if strings.HasPrefix(p.name(), "cmd/") {
			next, from[path] = append(next, path), ""
		}
	}
	for ; len(next) > 0; next = next[1:] {
		if next[0] == to {
			break
		}
		for _, path := range all[next[0]].Imports {
			if _, seen := from[path]; !seen && all[path].ImportPath != "" {
				from[path] = next[0]
				next = append(next, path)
			}
		}
	}
	var names []string
	for path := to; path != ""; path = from[path] {
		names = append(names, all[path].name())
	}
	slices.Reverse(names)
	return names
}

// TestForbidden keeps the guard itself from passing everything.
func TestForbidden(t *testing.T) {
	for _, c := range []struct {
		from, to string
		allowed  bool
	}{
		{"cmd/peapod", "rootless/node", true},
		{"cmd/peapod", "image", true},
		{"rootless/node", "netstack", true},
		{"rootless/node", "rootless/api", true},
		{"rootless/api/client", "rootless/api", true},
		{"rootless/api", "rootless/api/client", true},
		{"rootless/container", "rootless/plan", true},
		{"netstack", "netstack/dns", true},
		{"rootless/api", "rootless/node", false},
		{"rootless/state", "rootless/plan", false},
		{"rootless/lifecycle", "rootless/api/client", false},
		{"rootless/plan", "cmd/peapod", false},
		{"rootless/unheard", "rootless/plan", false},
		{"rootless/node", "rootless/unheard", false},
		{"image", "netstack", false},
		{"netstack/dns", "rootless/state", false},
	} {
		if why := forbidden(c.from, c.to); (why == "") != c.allowed {
			t.Errorf("%s → %s: %q, want allowed: %v", c.from, c.to, why, c.allowed)
		}
	}
}

// TestPackageComments wants one package comment for each package, which is where its theory of operation is.
func TestPackageComments(t *testing.T) {
	for _, p := range packages(t) {
		var with []string
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.PackageClauseOnly)
			if err != nil {
				t.Fatal(err)
			}
			if file.Doc != nil {
				with = append(with, name)
			}
		}
		if len(with) != 1 && len(p.GoFiles) > 0 {
			t.Errorf("%s has %d package comments (%s), want one", p.name(), len(with), strings.Join(with, " "))
		}
	}
}

// TestAssembly wants assembly, of all architectures, in one place only; what just calculates may have its own.
func TestAssembly(t *testing.T) {
	var found []string
	err := filepath.WalkDir("..", func(path string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(path, ".s") || strings.HasSuffix(path, ".S") {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Error("there is no assembly at all: this test looks in the wrong place")
	}
	for _, path := range found {
		switch filepath.ToSlash(filepath.Dir(path)) {
		case "../rootless/plan", "../image/crc64":
		default:
			t.Errorf("%s: assembly belongs in rootless/plan", path)
		}
	}
}
