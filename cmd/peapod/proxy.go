package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/peapod/peapod/rootless/state"
)

func newProxy(a *app) *cobra.Command {
	var port uint16
	cmd := &cobra.Command{
		Use:                   "proxy [--port PORT] [COMMAND [ARG...]]",
		DisableFlagsInUseLine: true,
		Short:                 "Let kubectl and other Kubernetes clients speak to the node",
		Long: `Serve the node's API on a port of the loopback interface, for kubectl and other programs that cannot speak to a unix socket. A
kubeconfig file that only you can read has the address, the certificate and a token, without which nobody gets an answer; all three
are new each time, and the file is removed at the end.

With a command, that runs with the file in KUBECONFIG, and the end of it is the end of the proxy; without one, the proxy goes on until it
is interrupted.`,
		Example: `  # One command
  peapod proxy kubectl get pods

  # A shell in which kubectl, k9s and helm speak to peapod
  peapod proxy bash

  # For programs started elsewhere
  peapod proxy --port 8001`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.proxy(cmd.Context(), int(port), args) },
	}
	cmd.Flags().Uint16Var(&port, "port", 0, "the port; 0 is a free one")
	cmd.Flags().SetInterspersed(false) // what comes after the command is its own
	return cmd
}

func (a *app) proxy(ctx context.Context, port int, argv []string) (err error) {
	c, err := a.connect()
	if err != nil {
		return err
	}
	if _, err := c.Version(ctx); err != nil { // the runtime directory is there as well when this has been answered
		return err
	}
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	defer l.Close()
	access, err := newProxyAccess(l.Addr().String())
	if err != nil {
		return err
	}
	file, err := a.writeKubeconfig(l.Addr().(*net.TCPAddr).Port, access)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(file)) }()
	server := &http.Server{Handler: access.guard(proxyTo(c.Transport())), TLSConfig: access.tlsConfig(), ReadHeaderTimeout: time.Minute, ErrorLog: quietly}
	defer server.Close()
	ended := make(chan error, 1)
	go func() { ended <- server.ServeTLS(l, "", "") }()
	if len(argv) > 0 {
		return a.runWith(ctx, file, argv)
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	fmt.Fprintf(a.out, "Starting to serve on %s\nexport KUBECONFIG=%s\n", l.Addr(), file)
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		return err
	}
}

// writeKubeconfig beside the node's socket. A file that is there is of a proxy that was killed, since its port is ours.
func (a *app) writeKubeconfig(port int, access *proxyAccess) (string, error) {
	paths, err := state.DefaultPaths(a.getenv, os.Getuid(), a.getenv("HOME"))
	if err != nil {
		return "", err
	}
	name := paths.Kubeconfig(port)
	if socket := a.givenSocket(); socket != "" {
		name = filepath.Join(filepath.Dir(socket), filepath.Base(name))
	}
	text, err := access.kubeconfig(a.namespace)
	if err != nil {
		return "", err
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = f.Write(text)
	return name, errors.Join(err, f.Close())
}

// runWith runs the command until its end, whose status becomes ours. The terminal's signals reach it by itself, so here they are of no
// concern; SIGTERM is for us alone, and passed on. They are taken and forgotten: a signal that we ignored would be ignored by the command too (execve(2)).
func (a *app) runWith(ctx context.Context, kubeconfig string, argv []string) error {
	forgotten := make(chan os.Signal, 1)
	signal.Notify(forgotten, syscall.SIGINT, syscall.SIGQUIT)
	defer signal.Stop(forgotten)
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.in, a.out, a.err
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	if status := exit.Sys().(syscall.WaitStatus); status.Signaled() {
		return &exitError{code: 128 + int(status.Signal())}
	}
	return &exitError{code: exit.ExitCode()}
}
