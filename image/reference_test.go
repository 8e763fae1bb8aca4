package image

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.podman.io/image/v5/types"
)

const someDigest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestParseReference(t *testing.T) {
	for in, want := range map[string]string{
		"nginx":                       "docker.io/library/nginx:latest",
		"nginx:1.21":                  "docker.io/library/nginx:1.21",
		"team/app":                    "docker.io/team/app:latest",
		"docker.io/nginx:1":           "docker.io/library/nginx:1",
		"localhost/app:1":             "localhost/app:1",
		"127.0.0.1:5000/a/b/c:x":      "127.0.0.1:5000/a/b/c:x",
		"nginx@" + someDigest:         "docker.io/library/nginx@" + someDigest,
		"quay.io/app:1@" + someDigest: "quay.io/app:1@" + someDigest,
		"":                            "",
		"nginx:":                      "",
		"Nginx":                       "",
		"nginx:1 .2":                  "",
		"-nginx":                      "",
		"https://quay.io/app":         "",
		"nginx@sha256:12":             "",
		strings.TrimPrefix(someDigest, "sha256:"): "",
	} {
		named, err := ParseReference(in)
		switch {
		case want == "" && (!errors.Is(err, ErrInvalidReference) || !strings.Contains(err.Error(), "invalid reference format")):
			t.Errorf("%q: %v, %v; want an invalid reference", in, named, err)
		case want != "" && (err != nil || named.String() != want):
			t.Errorf("%q: %v, %v; want %s", in, named, err, want)
		}
	}
}

func TestCandidates(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", dir) // short-name-aliases.conf
	write := func(name, text string) *types.SystemContext {
		file := filepath.Join(dir, name)
		writeFile(t, file, text)
		return &types.SystemContext{
			SystemRegistriesConfPath: file, SystemRegistriesConfDirPath: filepath.Join(dir, "none"),
			UserShortNameAliasConfPath: filepath.Join(dir, "aliases.conf"),
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "none"), 0o700); err != nil {
		t.Fatal(err)
	}
	empty := write("empty.conf", "")
	configured := write("configured.conf", "unqualified-search-registries = [\"one.example\", \"docker.io\"]\n[aliases]\n\"app\" = \"two.example/team/app\"\n")
	for _, c := range []struct {
		name   string
		system *types.SystemContext
		in     string
		where  place
		want   []string
	}{
		{"full", configured, "quay.io/app:1", inRegistry, []string{"quay.io/app:1"}},
		{"tag and digest", configured, "quay.io/app:1@" + someDigest, inStore, []string{"quay.io/app@" + someDigest}},
		{"nothing configured", empty, "app:1", inRegistry, []string{"docker.io/library/app:1"}},
		{"nothing configured, store", empty, "app", inStore, []string{"localhost/app:latest", "docker.io/library/app:latest"}},
		{"search", configured, "team/other:1", inRegistry, []string{"one.example/team/other:1", "docker.io/team/other:1"}},
		{"search, store", configured, "other", inStore, []string{"localhost/other:latest", "one.example/other:latest", "docker.io/library/other:latest"}},
		{"alias", configured, "app:7", inRegistry, []string{"two.example/team/app:7"}},
		{"alias and digest", configured, "app:7@" + someDigest, inRegistry, []string{"two.example/team/app@" + someDigest}},
		{"alias, store", configured, "app:7", inStore, []string{"two.example/team/app:7", "localhost/app:7", "one.example/app:7", "docker.io/library/app:7"}},
	} {
		names, err := candidates(c.system, c.in, c.where)
		var got []string
		for _, name := range names {
			got = append(got, name.String())
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q → %q, %v; want %q", c.name, c.in, got, err, c.want)
		}
	}
}

func FuzzParseReference(f *testing.F) {
	for _, s := range []string{"nginx", "a.b:1/c:d", "x@" + someDigest, "localhost/A", "a/b/c:t@" + someDigest, ":", "@", "a//b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		named, err := ParseReference(s)
		if err != nil {
			if !errors.Is(err, ErrInvalidReference) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		again, err := ParseReference(named.String())
		if err != nil || again.String() != named.String() {
			t.Fatalf("%q → %q → %v, %v: not a fixed point", s, named, again, err)
		}
		if isShort(named.String()) {
			t.Fatalf("%q → %q is short", s, named)
		}
		if isShort(s) {
			// What is put together from a short name must be a name again.
			if _, err := ParseReference("registry.example/" + repositoryOf(s) + s[len(repositoryOf(s)):]); err != nil {
				t.Fatalf("%q with a registry: %v", s, err)
			}
		}
	})
}
