package main

import (
	"net"
	"os"
	"strconv"
	"time"
)

// udpWho answers every datagram to a port with the sender's address, a blank and the datagram.
func udpWho(port string) error {
	c, err := net.ListenPacket("udp", ":"+port)
	if err != nil {
		return err
	}
	b := make([]byte, 1<<16)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return err
		}
		sender := from.(*net.UDPAddr).AddrPort().Addr().Unmap().String()
		if _, err := c.WriteTo([]byte(sender+" "+string(b[:n])), from); err != nil {
			return err
		}
	}
}

// udpAsk sends a datagram of so many bytes and prints the answer.
func udpAsk(to, size string) error {
	length, err := strconv.Atoi(size)
	if err != nil {
		return err
	}
	c, err := net.Dial("udp", to)
	if err != nil {
		return err
	}
	b := make([]byte, 1<<16)
	for i := range length {
		b[i] = 'x'
	}
	if _, err := c.Write(b[:length]); err != nil {
		return err
	}
	if err := c.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return err
	}
	n, err := c.Read(b)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(append(b[:n], '\n'))
	return err
}
