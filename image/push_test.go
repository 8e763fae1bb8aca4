package image

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPush(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	plain := startRegistry(t, registryOptions{})
	private := startRegistry(t, registryOptions{tls: true, auth: true})
	plain.useInsecure(t)
	s := openStore(t)
	loadTwo(t, s)
	target := plain.address + "/team/app:1"
	pushed, err := s.Push(t.Context(), "app:1", "docker://"+target, PushOptions{})
	if err != nil || pushed.Name != target || pushed.Digest == "" || pushed.Size == 0 {
		t.Fatalf("pushed %+v, %v", pushed, err)
	}
	checkPushed(t, s, target, pushed, PullOptions{})

	// A registry with an authority of its own, and a password.
	target = private.address + "/app:1"
	if _, err := s.Push(t.Context(), "app:1", target, PushOptions{}); !errors.Is(err, ErrRegistryUnavailable) || !strings.Contains(err.Error(), "certs.d") {
		t.Errorf("unknown authority: %v", err)
	}
	if err := s.Tag("app:1", []string{target}); err != nil {
		t.Fatal(err)
	}
	user := PushOptions{Username: private.user, Password: private.password}
	insecure := user
	insecure.Insecure = true
	if _, err := s.Push(t.Context(), target, "", insecure); err != nil {
		t.Errorf("whoever it is: %v", err)
	}
	trust(t, private)
	if _, err := s.Push(t.Context(), target, "", PushOptions{}); !errors.Is(err, ErrUnauthorized) || !strings.Contains(err.Error(), "peapod login") {
		t.Errorf("no credentials: %v", err)
	}
	if pushed, err = s.Push(t.Context(), target, "", user); err != nil {
		t.Fatal(err)
	}
	checkPushed(t, s, target, pushed, PullOptions{Username: private.user, Password: private.password})
}

// trust puts a registry's authority where the library looks for it.
func trust(t *testing.T, r *registry) {
	t.Helper()
	ca, err := os.ReadFile(r.ca)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join("certs.d", r.address)
	writeConfig(t, filepath.Join(dir, "ca.crt"), string(ca))
}

// checkPushed pulls what has been pushed: while its layers are here, which were compressed anew, and when nothing is.
func checkPushed(t *testing.T, s *Store, name string, pushed *Pushed, o PullOptions) {
	t.Helper()
	if image, err := s.Pull(t.Context(), name, o); err != nil || image.ID != appID(t) {
		t.Errorf("pulled %+v, %v", image, err)
	}
	removeAllImages(t, s)
	image, err := s.Pull(t.Context(), repositoryOfFull(name)+"@"+pushed.Digest.String(), o)
	if err != nil || image.ID != appID(t) || image.Digest != pushed.Digest {
		t.Errorf("pulled by digest %+v, %v; want %+v", image, err, pushed)
	}
	removeAllImages(t, s)
	loadTwo(t, s)
}

func TestPushErrors(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	loadTwo(t, s)
	for _, test := range []struct{ ref, to, want string }{
		{"none", "", "no such image"},
		{"app:1", "", "names no registry"},
		{appID(t), "", "give a name"},
		{"app:1", "Not/A/Name", "Not/A/Name"},
		{"app:1", closedPort(t) + "/app", "connection refused"},
		{"app:1", "oci:", "no path"},
		{"app:1", "docker-archive:/none/such.tar", "no such file"},
	} {
		if _, err := s.Push(t.Context(), test.ref, test.to, PushOptions{}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s to %s: %v, want %q", test.ref, test.to, err, test.want)
		}
	}
}

func TestPushToPlaces(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	dir := t.TempDir()
	for _, to := range []string{
		"docker-archive:" + dir + "/d.tar", "docker-archive:" + dir + "/d.tar:host.example/b:2", "oci-archive:" + dir + "/o.tar:x:1",
		"oci:" + dir + "/layout:one", "oci:" + dir + "/layout:two", "dir:" + dir + "/dir",
	} {
		loadTwo(t, s)
		pushed, err := s.Push(t.Context(), "app:1", to, PushOptions{})
		if err != nil || pushed.Name != to {
			t.Errorf("%s: %+v, %v", to, pushed, err)
			continue
		}
		removeAllImages(t, s)
		place, _, err := ParsePlace(to)
		if err != nil {
			t.Fatal(err)
		}
		if place.Transport == OCIArchive {
			place.Name = ""
		}
		loaded, err := s.PullFrom(t.Context(), place, LoadOptions{})
		if err != nil || loaded[0].ID != appID(t) {
			t.Errorf("%s: %+v, %v", to, loaded, err)
		}
		removeAllImages(t, s)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 4 {
		t.Errorf("in the directory: %v, %v", entries, err)
	}
}
