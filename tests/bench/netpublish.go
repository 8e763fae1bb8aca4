package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// netEchoVerb is the process that serves echoes in a Pod.
const netEchoVerb = "net-echo"

// comparePublished measures the other direction: clients on the host, by loopback and so as fast as any way can be, and services in the Pod.
func comparePublished(ctx context.Context, ways []*way, rounds, seconds int) error {
	var published []*way
	for _, w := range ways {
		if w.port == 0 {
			continue
		}
		echo := w.enter(thisProgram(), netEchoVerb, strconv.Itoa(w.port+1))
		_, stop, err := startWay(ctx, echo[0], echo[1:]...)
		if err != nil {
			return err
		}
		defer stop()
		published = append(published, &way{name: w.name, to: "127.0.0.1", pod: w.pod, published: true, port: w.port, cpu: w.cpu})
	}
	time.Sleep(500 * time.Millisecond)
	results := netResults{}
	for round := range rounds {
		for i := range published {
			w := published[(i+round)%len(published)]
			if err := w.measure(ctx, seconds, w.port+1, results); err != nil {
				return fmt.Errorf("published port of %s, round %d: %w", w.name, round+1, err)
			}
		}
	}
	fmt.Println("\nPublished ports")
	printNet(os.Stdout, published, results)
	return nil
}

// forwardBySlirp asks slirp4netns to publish a port (slirp4netns(1), "API socket").
func forwardBySlirp(socket string, port int) error {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	defer c.Close()
	request := map[string]any{"execute": "add_hostfwd", "arguments": map[string]any{"proto": "tcp", "host_addr": "0.0.0.0", "host_port": port, "guest_port": port}}
	if err := json.NewEncoder(c).Encode(request); err != nil {
		return err
	}
	_ = c.(*net.UnixConn).CloseWrite()
	var answer struct {
		Error struct {
			Desc string `json:"desc"`
		} `json:"error"`
	}
	if err := json.NewDecoder(c).Decode(&answer); err != nil {
		return err
	}
	if answer.Error.Desc != "" {
		return fmt.Errorf("port %d: %s", port, answer.Error.Desc)
	}
	return nil
}

func serveNetEchoes(port string) error {
	n, err := strconv.Atoi(port)
	if err == nil {
		_, err = serveNetEcho(n)
	}
	if err != nil {
		return err
	}
	select {}
}
