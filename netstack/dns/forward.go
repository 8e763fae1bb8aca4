package dns

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	nextServer   = time.Second     // without an answer, ask the next server as well
	serverTime   = 5 * time.Second // how long one server is listened to, and RES_TIMEOUT of resolv.conf(5)
	forwardTime  = 8 * time.Second // how long a client's query is worked on
	attempts     = 2               // RES_DFLRETRY: how often each server is asked
	upstreamPort = 53
)

var errNoServers = errors.New("no name servers")

// A forwarder asks upstream servers. dial makes sockets of the host.
type forwarder struct {
	servers func() ([]netip.Addr, error)
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	port    uint16
	cache   *cache
}

// forward returns the upstream's answer to a client's query, under the client's ID. With stream, the client can take an
// answer of any length.
func (f *forwarder) forward(ctx context.Context, raw []byte, stream bool) ([]byte, error) {
	servers, err := f.servers()
	if err != nil {
		return nil, err
	}
	if len(servers) == 0 {
		return nil, errNoServers
	}
	key := cacheKey(servers, raw, stream)
	if known := f.cache.get(key, raw); known != nil {
		return known, nil
	}
	ctx, cancel := context.WithTimeout(ctx, forwardTime)
	defer cancel()
	var tries []netip.Addr
	for range attempts {
		tries = append(tries, servers...)
	}
	response, err := race(ctx, tries, func(ctx context.Context, server netip.Addr) ([]byte, error) {
		return f.ask(ctx, netip.AddrPortFrom(server, f.port), raw, stream)
	})
	if err != nil {
		return nil, err
	}
	copy(response, raw[:2])
	f.cache.put(key, response)
	return response, nil
}

// race asks one server after the other, the next one when nextServer has passed or all asked so far have failed, and
// returns the first usable response. If there is none, any response is better than an error.
func race(ctx context.Context, tries []netip.Addr, ask func(context.Context, netip.Addr) ([]byte, error)) ([]byte, error) {
	var asking sync.WaitGroup
	defer asking.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends those that are still asking, before the wait for them
	type result struct {
		response []byte
		err      error
	}
	results := make(chan result, len(tries))
	timer := time.NewTimer(0)
	defer timer.Stop()
	var fallback result
	for asked, failed := 0, 0; failed < len(tries); {
		select {
		case <-ctx.Done():
			if fallback.response == nil {
				fallback.err = errors.Join(ctx.Err(), fallback.err)
			}
			return fallback.response, fallback.err
		case <-timer.C:
			if asked < len(tries) {
				server := tries[asked]
				asked++
				timer.Reset(nextServer)
				asking.Go(func() {
					response, err := ask(ctx, server)
					results <- result{response, err}
				})
			}
		case r := <-results:
			if r.err == nil && usable(r.response) {
				return r.response, nil
			}
			if failed++; fallback.response == nil {
				fallback = r
			}
			if failed == asked {
				timer.Reset(0)
			}
		}
	}
	return fallback.response, fallback.err
}

// ask puts the query to one server, under an ID that nobody can guess.
func (f *forwarder) ask(ctx context.Context, server netip.AddrPort, raw []byte, stream bool) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, serverTime)
	defer cancel()
	sent := append([]byte(nil), raw...)
	_, _ = rand.Read(sent[:2]) // never fails
	response, err := f.exchange(ctx, "udp", server, sent)
	if err != nil || !truncated(response) || !stream {
		return response, err
	}
	whole, err := f.exchange(ctx, "tcp", server, sent)
	if err != nil {
		return response, nil // what fits is better than nothing, and is marked as such
	}
	return whole, nil
}

func (f *forwarder) exchange(ctx context.Context, network string, server netip.AddrPort, sent []byte) ([]byte, error) {
	conn, err := f.dial(ctx, network, server.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if network == "tcp" {
		return exchangeStream(conn, sent)
	}
	return exchangePacket(conn, sent)
}

// exchangePacket waits past packets that are not the answer: anybody can send one.
func exchangePacket(conn net.Conn, sent []byte) ([]byte, error) {
	if _, err := conn.Write(sent); err != nil {
		return nil, err
	}
	b := takePacket()
	defer givePacket(b)
	for {
		n, err := conn.Read(*b)
		if err != nil {
			return nil, err
		}
		if answers(sent, (*b)[:n]) {
			return append([]byte(nil), (*b)[:n]...), nil
		}
	}
}

func exchangeStream(conn net.Conn, sent []byte) ([]byte, error) {
	if err := writeStream(conn, sent); err != nil {
		return nil, err
	}
	response, err := readStream(conn)
	if err != nil {
		return nil, err
	}
	if !answers(sent, response) {
		return nil, errors.New("the name server answered something else")
	}
	return response, nil
}

// readStream reads a message with its length before it: RFC 1035, section 4.2.2.
func readStream(r io.Reader) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(r, b)
	return b, err
}

// writeStream writes length and message at once: some servers want both in one segment.
func writeStream(w io.Writer, b []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
	return err
}
