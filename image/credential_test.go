package image

import (
	"errors"
	"strings"
	"testing"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/types"
)

// The table is about which credentials fit and in what order; a credential is named by its Match.
func TestFittingCredentials(t *testing.T) {
	for _, test := range []struct{ image, given, want string }{
		{"registry.example/team/app", "", ""},
		{"registry.example/team/app", "registry.example", "registry.example"},
		{"registry.example/team/app", "other.example registry.example:443 example", ""},
		{"registry.example:5000/app", "registry.example registry.example:5000 registry.example:50", "registry.example:5000"},
		{"registry.example/team/app", "registry.example registry.example/team/app registry.example/team registry.example/other",
			"registry.example/team/app registry.example/team registry.example"},
		{"registry.example/teams/app", "registry.example/team", "registry.example/team"}, // a prefix of the text, not of the path's parts
		{"registry.example/team/app", "registry.example/team/app:1", ""},
		{"a.registry.example/app", "*.registry.example registry.example *.example *.*.example", "*.registry.example *.*.example"},
		{"a.b.registry.example/app", "*.registry.example", ""},
		{"eu1.registry.example/app", "eu*.registry.example us*.registry.example", "eu*.registry.example"},
		{"registry.example/app", "[.example re[a-", ""},
		{"127.0.0.1:5000/app", "127.0.0.*:5000 127.0.0.1:*", "127.0.0.*:5000"},
		{"localhost:5000/app", "localhost:5000 localhost", "localhost:5000"},
		{"busybox", "docker.io", "docker.io"},
		{"busybox", "index.docker.io", "index.docker.io"},
		{"busybox", "docker.io index.docker.io", "docker.io"}, // the hub's other name is for when nothing else fits
		{"busybox", "docker.io/library/busybox docker.io/team", "docker.io/library/busybox"},
		{"team/app", "docker.io docker.io/team registry-1.docker.io", "docker.io/team docker.io"},
		{"registry.example/app", "index.docker.io", ""},
	} {
		name, err := reference.ParseNormalizedNamed(test.image)
		if err != nil {
			t.Fatal(err)
		}
		var given []Credential
		for _, match := range strings.Fields(test.given) {
			given = append(given, Credential{Match: match})
		}
		var got []string
		for _, c := range fitting(name, given) {
			got = append(got, c.Match)
		}
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("%s of %q: got %q, want %q", test.image, test.given, text, test.want)
		}
	}
}

func TestCredentialsOfOneMatchKeepTheirOrder(t *testing.T) {
	name, err := reference.ParseNormalizedNamed("r.example/app")
	if err != nil {
		t.Fatal(err)
	}
	var users []string
	for _, c := range fitting(name, []Credential{{Match: "r.example", Username: "b"}, {Match: "r.example/app", Username: "c"}, {Match: "r.example", Username: "a"}}) {
		users = append(users, c.Username)
	}
	if got := strings.Join(users, ""); got != "cba" {
		t.Errorf("got %s", got)
	}
}

// Which logins are tried, until which, and what is said in the end. The user's own is in an auth file or not.
func TestWithCredentials(t *testing.T) {
	denied, missing, gone := &cause{text: "denied", class: ErrUnauthorized}, &cause{text: "missing", class: ErrManifestUnknown}, errors.New("gone")
	for name, test := range map[string]struct {
		users  string // of the credentials
		own    bool
		fails  map[string]error // by user; "-" is the auth file's, or anonymous
		tried  string
		failed string
	}{
		"none":                {tried: "-"},
		"none but the own":    {own: true, tried: "-"},
		"the first does":      {users: "a b", own: true, tried: "a"},
		"the second does":     {users: "a b", fails: map[string]error{"a": denied}, tried: "a b"},
		"the own does":        {users: "a b", own: true, fails: map[string]error{"a": denied, "b": missing}, tried: "a b -"},
		"not anonymously":     {users: "a b", fails: map[string]error{"a": denied, "b": missing}, tried: "a b", failed: "denied; missing"},
		"said once":           {users: "a b", fails: map[string]error{"a": denied, "b": denied}, tried: "a b", failed: "denied"},
		"nobody there":        {users: "a b", fails: map[string]error{"a": gone}, tried: "a", failed: "gone"},
		"the own fails, too":  {users: "a", own: true, fails: map[string]error{"a": denied, "-": missing}, tried: "a -", failed: "denied; missing"},
		"of another registry": {users: "x:a", fails: map[string]error{"a": denied}, tried: "-"},
	} {
		t.Run(name, func(t *testing.T) {
			system := &types.SystemContext{AuthFilePath: t.TempDir() + "/auth.json"}
			if test.own {
				writeFile(t, system.AuthFilePath, `{"auths":{"r.example":{"auth":"b3duOnB3"}}}`)
			}
			ref, err := reference.ParseNormalizedNamed("r.example/app")
			if err != nil {
				t.Fatal(err)
			}
			var all []Credential
			for _, user := range strings.Fields(test.users) {
				match := "r.example"
				if other, ok := strings.CutPrefix(user, "x:"); ok {
					match, user = "x.example", other
				}
				all = append(all, Credential{Match: match, Username: user, Password: "p"})
			}
			var tried []string
			_, err = withCredentials(system, ref, all, func(system *types.SystemContext) (*Image, error) {
				user := "-"
				if system.DockerAuthConfig != nil {
					user = system.DockerAuthConfig.Username
				}
				tried = append(tried, user)
				return nil, test.fails[user]
			})
			if got := strings.Join(tried, " "); got != test.tried {
				t.Errorf("tried %s, want %s", got, test.tried)
			}
			if (err == nil) != (test.failed == "") || err != nil && err.Error() != test.failed {
				t.Errorf("got %v, want %q", err, test.failed)
			}
		})
	}
}
