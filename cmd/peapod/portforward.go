package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/api/client"
)

func newPortForward(a *app) *cobra.Command {
	var addresses []string
	cmd := &cobra.Command{
		Use:                   "port-forward (POD | pod/POD) [--address ADDRESS,…] [LOCAL_PORT:]REMOTE_PORT…",
		DisableFlagsInUseLine: true,
		Short:                 "Forward local ports to a Pod",
		Long: `Listen on local ports and carry each connection to a port of a Pod, as if from inside it: what listens only on the Pod's
loopback is reached too. It goes on until it is interrupted.

A remote port can be given by its name in the Pod. An empty local port is a free one.`,
		Example: `  # Listen on port 8080 locally, forwarding to port 80 in the Pod
  peapod port-forward demo 8080:80

  # The same port on both sides, and a free one
  peapod port-forward demo 5432 :9000

  # For other machines too
  peapod port-forward --address 0.0.0.0 demo 8080:80`,
		ValidArgsFunction: a.completePod,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usagef(cmd, "TYPE/NAME and list of ports are required for port-forward")
			}
			name, err := podName(args[0])
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return a.portForward(ctx, name, addresses, args[1:])
		},
	}
	cmd.Flags().StringSliceVar(&addresses, "address", []string{"localhost"}, "addresses to listen on; localhost is 127.0.0.1 and ::1")
	return cmd
}

// forwardedPort leads from a local port to one of the Pod.
type forwardedPort struct{ local, remote uint16 }

func (a *app) portForward(ctx context.Context, name string, addresses, args []string) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	var pod corev1.Pod
	if err := c.Get(ctx, client.Request{Resource: pods.resource, Namespace: a.namespace, Name: name}, &pod); err != nil {
		return err
	}
	if pod.Status.Phase != corev1.PodRunning {
		return fmt.Errorf("unable to forward port because pod is not running. Current status=%v", pod.Status.Phase)
	}
	var ports []forwardedPort
	for _, arg := range args {
		port, err := parseForward(&pod, arg)
		if err != nil {
			return err
		}
		ports = append(ports, port)
	}
	session, err := c.PortForward(ctx, a.namespace, name)
	if err != nil {
		return err
	}
	defer session.Close()
	f := &forwarder{app: a, session: session}
	defer f.close()
	if err := f.listen(addresses, ports); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-session.Ended():
		if ctx.Err() != nil {
			return nil
		}
		return errors.New("lost connection to pod")
	}
}

// parseForward reads 8080:80, :80, 80 or 8080:http.
func parseForward(pod *corev1.Pod, arg string) (p forwardedPort, err error) {
	local, remote, two := strings.Cut(arg, ":")
	if !two {
		remote = local
	}
	if strings.Contains(remote, ":") || remote == "" {
		return p, fmt.Errorf("invalid port format '%s'", arg)
	}
	number, err := strconv.ParseUint(remote, 10, 16)
	if err != nil {
		named, ok := namedPort(pod, remote)
		if !ok {
			return p, fmt.Errorf("Pod '%s' does not have a named port '%s'", pod.Name, remote) //nolint:staticcheck // kubectl's words
		}
		number = uint64(named)
	}
	if number == 0 {
		return p, errors.New("remote port must be > 0")
	}
	p = forwardedPort{uint16(number), uint16(number)}
	if two {
		p.local = 0
		if local != "" {
			number, err := strconv.ParseUint(local, 10, 16)
			if err != nil {
				return p, fmt.Errorf("error parsing local port '%s': %w", local, err)
			}
			p.local = uint16(number)
		}
	}
	return p, nil
}

func namedPort(pod *corev1.Pod, name string) (int32, bool) {
	for _, containers := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range containers {
			for _, port := range containers[i].Ports {
				if port.Name == name {
					return port.ContainerPort, true
				}
			}
		}
	}
	return 0, false
}

// forwarder accepts local connections.
type forwarder struct {
	*app
	session   *client.Forwarder
	listeners []net.Listener

	mu sync.Mutex // over the streams of the app
}

// listen opens every port on every address. A port that can be opened on none of them is an error.
func (f *forwarder) listen(addresses []string, ports []forwardedPort) error {
	for _, port := range ports {
		opened := false
		for _, address := range addresses {
			hosts := []string{address}
			if address == "localhost" {
				hosts = []string{"127.0.0.1", "::1"}
			} else if net.ParseIP(address) == nil {
				return fmt.Errorf("%s is not a valid IP", address)
			}
			for _, host := range hosts {
				at, err := f.listenOn(host, port)
				if err != nil {
					f.say(true, "Unable to listen on port %d: %v", port.local, err)
					continue
				}
				port.local, opened = at, true // the other family gets the same free port
			}
		}
		if !opened {
			return fmt.Errorf("unable to listen on any of the requested ports: %v", ports)
		}
	}
	return nil
}

func (f *forwarder) listenOn(host string, port forwardedPort) (local uint16, err error) {
	network := "tcp4"
	if strings.Contains(host, ":") {
		network = "tcp6"
	}
	l, err := net.Listen(network, net.JoinHostPort(host, strconv.Itoa(int(port.local))))
	if err != nil {
		return 0, err
	}
	f.listeners = append(f.listeners, l)
	port.local = uint16(l.Addr().(*net.TCPAddr).Port)
	f.say(false, "Forwarding from %s -> %d", l.Addr(), port.remote)
	go f.accept(l, port)
	return port.local, nil
}

func (f *forwarder) accept(l net.Listener, port forwardedPort) {
	for {
		conn, err := l.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				f.say(true, "error accepting connection on port %d: %v", port.local, err)
			}
			return
		}
		f.say(false, "Handling connection for %d", port.local)
		go func() {
			if err := f.session.Carry(conn, port.remote); err != nil {
				f.say(true, "an error occurred forwarding %d -> %d: %v", port.local, port.remote, err)
			}
		}()
	}
}

func (f *forwarder) close() {
	for _, l := range f.listeners {
		l.Close()
	}
}

// say prints a line, to standard error if something is wrong.
func (f *forwarder) say(wrong bool, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.out
	if wrong {
		w = f.err
	}
	fmt.Fprintf(w, format+"\n", args...)
}
