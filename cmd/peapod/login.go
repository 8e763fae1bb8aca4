package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/peapod/peapod/image"
)

type loginOptions struct {
	user, password string
	passwordStdin  bool
	tlsVerify      bool
}

const dockerHub = "docker.io"

func newLogin(a *app) *cobra.Command {
	var o loginOptions
	cmd := &cobra.Command{
		Use:   "login [REGISTRY]",
		Short: "Keep the credentials for a registry",
		Long: `Ask a registry (docker.io if none is named) whether it takes a user's credentials, and keep them if it does: where podman and skopeo
find them too, in $REGISTRY_AUTH_FILE or containers/auth.json of $XDG_RUNTIME_DIR, which the system empties when you log out of it,
or with the credential helper that this file or registries.conf names.`,
		Example: `  # Asks for the user and the password
  peapod login registry.example

  # In a script
  peapod login -u me --password-stdin registry.example <token`,
		Args: between(0, 1, "name one registry"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.login(cmd.Context(), cmd, cmp.Or(strings.Join(args, ""), dockerHub), &o)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.user, "username", "u", "", "the user")
	flags.StringVarP(&o.password, "password", "p", "", "the password; other users can see it while this runs")
	flags.BoolVar(&o.passwordStdin, "password-stdin", false, "read the password from standard input")
	flags.BoolVar(&o.tlsVerify, "tls-verify", true, "false: HTTP, and certificates that nobody vouches for, are fine")
	return cmd
}

func (a *app) login(ctx context.Context, cmd *cobra.Command, registry string, o *loginOptions) error {
	switch {
	case o.passwordStdin && o.password != "":
		return usagef(cmd, "--password and --password-stdin are mutually exclusive")
	case o.passwordStdin && o.user == "":
		return usagef(cmd, "--password-stdin needs --username")
	}
	if err := a.askCredentials(registry, o); err != nil {
		return err
	}
	if _, err := image.Login(ctx, registry, o.user, o.password, !o.tlsVerify); err != nil {
		return err
	}
	fmt.Fprintln(a.out, "Login Succeeded!")
	return nil
}

// askCredentials completes what the flags do not say.
func (a *app) askCredentials(registry string, o *loginOptions) (err error) {
	if o.passwordStdin {
		o.password, err = readPassword(a.in)
		return err
	}
	if o.user != "" && o.password != "" {
		return nil
	}
	terminal, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return errors.New("cannot ask for user and password, as standard input is no terminal: give --username and --password-stdin")
	}
	if o.user == "" {
		if o.user, err = a.askUser(terminal, registry); err != nil {
			return err
		}
	}
	if o.password == "" {
		o.password, err = a.askPassword(terminal)
	}
	return err
}

// maxPassword is in bytes; tokens have a few thousand.
const maxPassword = 64 << 10

// readPassword takes the whole input but for an end of line.
func readPassword(r io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxPassword+1))
	password := strings.TrimRight(string(text), "\r\n")
	switch {
	case err != nil:
		return "", fmt.Errorf("read the password: %w", err)
	case len(text) > maxPassword:
		return "", fmt.Errorf("read the password: more than %d bytes", maxPassword)
	case password == "":
		return "", errors.New("read the password: standard input is empty")
	}
	return password, nil
}

func (a *app) askUser(terminal io.Reader, registry string) (string, error) {
	known, err := image.LoggedIn(registry)
	if err != nil {
		return "", err
	}
	prompt := "Username: "
	if known != "" {
		prompt = fmt.Sprintf("Username (%s): ", known)
	}
	fmt.Fprint(a.err, prompt)
	line, err := bufio.NewReader(terminal).ReadString('\n') // a terminal hands out one line at a time
	user := cmp.Or(strings.TrimSpace(line), known)
	if user == "" {
		return "", cmp.Or(err, errors.New("a user name is needed"))
	}
	return user, nil
}

// askPassword reads a line without echo. A signal that ends us meanwhile must not leave the terminal mute.
func (a *app) askPassword(terminal *os.File) (_ string, err error) {
	fd := int(terminal.Fd())
	before, err := muteTerminal(fd) // before the question, to which somebody may have typed the answer already
	if err != nil {
		return "", fmt.Errorf("ask for the password: %w", err)
	}
	ended, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	defer func() {
		fmt.Fprintln(a.err)
		err = cmp.Or(unix.IoctlSetTermios(fd, unix.TCSETS, before), err)
	}()
	fmt.Fprint(a.err, "Password: ")
	type answer struct {
		password []byte
		err      error
	}
	answered := make(chan answer, 1)
	go func() {
		password, err := term.ReadPassword(fd)
		answered <- answer{password, err}
	}()
	select {
	case got := <-answered:
		if got.err == nil && len(got.password) == 0 {
			got.err = errors.New("a password is needed")
		}
		return string(got.password), got.err
	case <-ended.Done():
		return "", &exitError{code: 130}
	}
}

// muteTerminal turns the echo off and returns how the terminal was.
func muteTerminal(fd int) (*unix.Termios, error) {
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, err
	}
	mute := *before
	mute.Lflag &^= unix.ECHO
	return before, unix.IoctlSetTermios(fd, unix.TCSETS, &mute)
}
