package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// scan connects to so many ports of an address, from 1 on, and prints how often each answer was given.
func scan(address, ports string) error {
	n, err := strconv.Atoi(ports)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	answers := map[string]int{}
	var all sync.WaitGroup
	turns := make(chan struct{}, 200)
	for port := 1; port <= n; port++ {
		turns <- struct{}{}
		all.Go(func() {
			answer := knock(net.JoinHostPort(address, strconv.Itoa(port)))
			mu.Lock()
			answers[answer]++
			mu.Unlock()
			<-turns
		})
	}
	all.Wait()
	for _, answer := range slices.Sorted(maps.Keys(answers)) {
		fmt.Println(answers[answer], answer)
	}
	return nil
}

func knock(to string) string {
	c, err := net.DialTimeout("tcp", to, 500*time.Millisecond)
	var errno unix.Errno
	var wait net.Error
	switch {
	case err == nil:
		c.Close()
		return "open"
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &wait) && wait.Timeout():
		return "silent"
	}
	return err.Error()
}

// hold opens connections, of which it neither reads nor writes any, prints how many there are, and keeps them for so many seconds.
func hold(to, connections, seconds string) error {
	n, err := strconv.Atoi(connections)
	if err != nil {
		return err
	}
	s, err := strconv.Atoi(seconds)
	if err != nil {
		return err
	}
	var open []net.Conn
	for range n {
		if c, err := net.DialTimeout("tcp", to, 2*time.Second); err == nil {
			open = append(open, c)
		}
	}
	fmt.Println("holds", len(open))
	time.Sleep(time.Duration(s) * time.Second)
	for _, c := range open {
		c.Close()
	}
	return nil
}

// garbage sends frames and datagrams that mean nothing: out of eth0 as they are, with the types of IPv4, IPv6 and ARP, and to port 53 of an address.
func garbage(gateway, count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	eth, err := net.InterfaceByName("eth0")
	if err != nil {
		return err
	}
	raw, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("packet socket: %w", err)
	}
	resolver, err := net.Dial("udp", net.JoinHostPort(gateway, "53"))
	if err != nil {
		return err
	}
	defer resolver.Close()
	sent := 0
	for i := range n {
		frame := make([]byte, 14+i%1400)
		_, _ = rand.Read(frame)
		copy(frame, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
		copy(frame[6:], eth.HardwareAddr)
		copy(frame[12:], [][]byte{{0x08, 0x00}, {0x86, 0xdd}, {0x08, 0x06}, {0x88, 0xcc}}[i%4])
		if len(frame) > 14 {
			frame[14] = [4]byte{0x45, 0x60, 0, 0}[i%4]
		}
		if unix.Sendto(raw, frame, 0, &unix.SockaddrLinklayer{Ifindex: eth.Index}) == nil {
			sent++
		}
		_, _ = resolver.Write(frame[12:])
	}
	fmt.Println("sent", sent)
	return nil
}
