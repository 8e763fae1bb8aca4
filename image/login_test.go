package image

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Logging in needs neither the store nor a user namespace.
func TestLogin(t *testing.T) {
	setUpHome(t)
	r := startRegistry(t, registryOptions{tls: true, auth: true})
	auth := filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "containers", "auth.json")

	if _, err := Login(t.Context(), r.address, r.user, r.password, false); !errors.Is(err, ErrRegistryUnavailable) {
		t.Errorf("unknown authority: %v", err)
	}
	trust(t, r)
	_, err := Login(t.Context(), r.address, r.user, "wrong", false)
	if !errors.Is(err, ErrUnauthorized) || !strings.Contains(err.Error(), r.address) || strings.Contains(err.Error(), "wrong:") {
		t.Errorf("wrong password: %v", err)
	}
	if _, err := os.Stat(auth); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was kept (%v)", err)
	}
	if _, err := Login(t.Context(), "https://"+r.address+"/", r.user, r.password, false); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(auth)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v, %v", auth, info, err)
	}
	if user, err := LoggedIn(r.address); err != nil || user != r.user {
		t.Errorf("logged in as %q, %v", user, err)
	}
	if err := Logout(r.address); err != nil {
		t.Error(err)
	}
	if err := Logout(r.address); !errors.Is(err, ErrNotLoggedIn) || !strings.Contains(err.Error(), r.address) {
		t.Errorf("logged out twice: %v", err)
	}
	if _, err := Login(t.Context(), r.address, r.user, r.password, true); err != nil {
		t.Error(err)
	}
	if err := LogoutAll(); err != nil {
		t.Error(err)
	}
	if user, err := LoggedIn(r.address); err != nil || user != "" {
		t.Errorf("logged in as %q, %v", user, err)
	}
}

// Where auth.json names a helper, that gets the credentials.
func TestLoginHelper(t *testing.T) {
	setUpHome(t)
	r := startRegistry(t, registryOptions{tls: true, auth: true})
	trust(t, r)
	dir := t.TempDir()
	kept := filepath.Join(dir, "kept")
	helper := "#!/bin/sh\ncase $1 in\nstore) cat >" + kept + ";;\nget) cat >/dev/null; cat " + kept + ";;\nerase) cat >/dev/null; rm " + kept + ";;\nesac\n"
	if err := os.WriteFile(filepath.Join(dir, "docker-credential-fake"), []byte(helper), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	auth := filepath.Join(dir, "auth.json")
	t.Setenv("REGISTRY_AUTH_FILE", auth)
	writeFile(t, auth, `{"credHelpers": {"`+r.address+`": "fake"}}`)
	if _, err := Login(t.Context(), r.address, r.user, r.password, false); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(kept); err != nil || !strings.Contains(string(text), r.password) {
		t.Errorf("the helper got %q, %v", text, err)
	}
	if text, err := os.ReadFile(auth); err != nil || strings.Contains(string(text), `"auth"`) {
		t.Errorf("the file has %q, %v", text, err)
	}
	if user, err := LoggedIn(r.address); err != nil || user != r.user {
		t.Errorf("logged in as %q, %v", user, err)
	}
	if err := Logout(r.address); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(kept); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the helper still has it (%v)", err)
	}
}

// Without a runtime directory credentials go where they can be written, and read again.
func TestLoginWithoutRuntimeDirectory(t *testing.T) {
	setUpHome(t)
	if err := os.Unsetenv("XDG_RUNTIME_DIR"); err != nil {
		t.Fatal(err)
	}
	want := filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "containers", "auth.json")
	if got := loginContext().AuthFilePath; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestLoginKey(t *testing.T) {
	for in, want := range map[string]string{
		"docker.io": "docker.io", "index.docker.io": "docker.io", "https://index.docker.io/v1/": "docker.io", "http://a.example:5000/": "a.example:5000",
		"a.example/team": "a.example/team", "localhost": "localhost", "127.0.0.1:5000": "127.0.0.1:5000",
		"": "", "a.example/app:1": "", "a.example/@x": "", "A B": "", "ftp://x": "", "a.example//b": "",
	} {
		got, err := loginKey(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
}
