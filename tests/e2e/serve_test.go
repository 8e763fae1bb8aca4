package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/testscript"
)

// serve runs a server until the script ends. Its process is in the host's network namespace: for Pods it is outside.
//
//	echo   TCP: sends back what it gets, until the end of file
//	udp    the same, a datagram at a time
//	http   answers every request with "from outside"
//	dns    UDP: the address of outside.test is 192.0.2.77, that of every other name unknown
func serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: serve KIND ADDRESS NAME")
	}
	start := map[string]func(string) (io.Closer, int, error){"echo": serveEcho, "udp": serveUDP, "http": serveHTTP, "dns": serveDNS}[args[0]]
	if start == nil {
		ts.Fatalf("serve %s: no such kind", args[0])
	}
	closer, port, err := start(net.JoinHostPort(args[1], "0"))
	ts.Check(err)
	ts.Defer(func() { closer.Close() })
	ts.Setenv(args[2], fmt.Sprint(port))
}

func serveEcho(address string) (io.Closer, int, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, 0, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l, l.Addr().(*net.TCPAddr).Port, nil
}

func serveUDP(address string) (io.Closer, int, error) {
	c, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, 0, err
	}
	go func() {
		b := make([]byte, 1<<16)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = c.WriteTo(b[:n], from)
		}
	}()
	return c, c.LocalAddr().(*net.UDPAddr).Port, nil
}

func serveHTTP(address string) (io.Closer, int, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, 0, err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "from outside") })}
	go func() { _ = server.Serve(l) }()
	return server, l.Addr().(*net.TCPAddr).Port, nil
}

func serveDNS(address string) (io.Closer, int, error) {
	c, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, 0, err
	}
	server := &dns.Server{PacketConn: c, Handler: dns.HandlerFunc(answer)}
	go func() { _ = server.ActivateAndServe() }()
	return c, c.LocalAddr().(*net.UDPAddr).Port, nil
}

func answer(w dns.ResponseWriter, question *dns.Msg) {
	reply := new(dns.Msg).SetReply(question)
	if q := question.Question[0]; q.Name != "outside.test." {
		reply.Rcode = dns.RcodeNameError
	} else if q.Qtype == dns.TypeA {
		reply.Answer = []dns.RR{&dns.A{
			Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: net.IPv4(192, 0, 2, 77),
		}}
	}
	_ = w.WriteMsg(reply)
}
