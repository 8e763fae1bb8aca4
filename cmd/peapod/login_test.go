package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fakeRegistry knows one user. Its address is returned.
func fakeRegistry(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "se cret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// The password is asked for without echo, and the terminal is left as it was.
func TestLoginOnTerminal(t *testing.T) {
	registry := fakeRegistry(t)
	t.Setenv("REGISTRY_AUTH_FILE", t.TempDir()+"/auth.json")
	for _, test := range []struct {
		typed string
		code  int
	}{{"me\nse cret\n", 0}, {"me\nwrong\n", 1}, {"\nse cret\n", 0}} { // the last time the user is known
		master, slave := openTerminal(t)
		screen := make(chan string)
		go func() {
			var seen bytes.Buffer
			_, _ = io.Copy(&seen, master) // ends with EIO when the other side is closed
			screen <- seen.String()
		}()
		var out bytes.Buffer
		done := make(chan int)
		go func() {
			done <- run(t.Context(), []string{"login", "--tls-verify=false", registry}, &app{in: slave, out: &out, err: slave, getenv: os.Getenv})
		}()
		user, password, _ := strings.Cut(test.typed, "\n")
		fmt.Fprintln(master, user)
		waitForNoEcho(t, slave)
		fmt.Fprint(master, password)
		if code := <-done; code != test.code {
			t.Errorf("typed %q: exit status %d", test.typed, code)
		}
		if state := termios(t, slave); state.Lflag&unix.ECHO == 0 {
			t.Error("the terminal was left without echo")
		}
		slave.Close()
		seen := <-screen
		if strings.Contains(seen, "cret") || strings.Contains(seen, "wrong\r") || !strings.Contains(seen, "Password: ") {
			t.Errorf("the screen shows %q", seen)
		}
		if test.code == 0 && out.String() != "Login Succeeded!\n" {
			t.Errorf("printed %q", out.String())
		}
	}
}

func termios(t *testing.T, terminal *os.File) *unix.Termios {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// waitForNoEcho waits until the terminal is asked for a password.
func waitForNoEcho(t *testing.T, terminal *os.File) {
	t.Helper()
	for range 1000 {
		if termios(t, terminal).Lflag&unix.ECHO == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("nobody asks for a password")
}

func TestReadPassword(t *testing.T) {
	for in, want := range map[string]string{"a b\n": "a b", "a\r\n": "a", "a": "a", " a ": " a "} {
		if got, err := readPassword(strings.NewReader(in)); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "\n", strings.Repeat("a", maxPassword+1)} {
		if got, err := readPassword(strings.NewReader(in)); err == nil {
			t.Errorf("%.10q: %.10q", in, got)
		}
	}
}
