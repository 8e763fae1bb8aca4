package dns

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

var (
	ranges = []netip.Prefix{netip.MustParsePrefix("10.206.0.0/16"), netip.MustParsePrefix("fd70:6561:706f::/64")}
	web    = Host{Names: []string{"web", "www"}, Namespace: "default", Addrs: []netip.Addr{netip.MustParseAddr("10.206.0.7"), netip.MustParseAddr("fd70:6561:706f::7")}}
	db     = Host{Names: []string{"DB"}, Namespace: "Prod", Addrs: []netip.Addr{netip.MustParseAddr("10.206.0.8"), netip.MustParseAddr("fd70:6561:706f::8")}}
)

// ask builds a query as a stub resolver does.
func ask(t testing.TB, name string, kind dnsmessage.Type, edns int) []byte {
	t.Helper()
	n, err := dnsmessage.NewName(name)
	if err != nil {
		t.Fatal(err)
	}
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: 4711, RecursionDesired: true})
	err = errors.Join(b.StartQuestions(), b.Question(dnsmessage.Question{Name: n, Type: kind, Class: dnsmessage.ClassINET}))
	if edns > 0 {
		var h dnsmessage.ResourceHeader
		err = errors.Join(err, h.SetEDNS0(edns, 0, false), b.StartAdditionals(), b.OPTResource(h, dnsmessage.OPTResource{}))
	}
	raw, errFinish := b.Finish()
	if err := errors.Join(err, errFinish); err != nil {
		t.Fatal(err)
	}
	return raw
}

func parse(t testing.TB, raw []byte) dnsmessage.Message {
	t.Helper()
	var m dnsmessage.Message
	if err := m.Unpack(raw); err != nil {
		t.Fatalf("%v in %x", err, raw)
	}
	return m
}

// summary is what a test wants of a response: the code and the data of the answers.
func summary(m dnsmessage.Message) string {
	words := []string{strings.TrimPrefix(m.RCode.String(), "RCode")}
	for _, a := range m.Answers {
		switch body := a.Body.(type) {
		case *dnsmessage.AResource:
			words = append(words, netip.AddrFrom4(body.A).String())
		case *dnsmessage.AAAAResource:
			words = append(words, netip.AddrFrom16(body.AAAA).String())
		case *dnsmessage.PTRResource:
			words = append(words, body.PTR.String())
		}
	}
	return strings.Join(words, " ")
}

func newServer(t testing.TB, cfg Config) *Server {
	cfg.Domain, cfg.Ranges = "cluster.local", ranges
	s := New(cfg)
	s.SetHosts([]Host{web, db, {Names: []string{"sub-pod", "a"}, Subdomain: "sub", Namespace: "prod", Addrs: []netip.Addr{netip.MustParseAddr("10.206.0.9")}}})
	s.SetRecords([]Record{{"Host.Example.Internal", []netip.Addr{netip.MustParseAddr("192.0.2.1")}}, {"svc.prod.svc.cluster.local.", []netip.Addr{netip.MustParseAddr("10.206.1.1")}}})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestZone(t *testing.T) {
	s := newServer(t, Config{})
	for _, test := range []struct {
		name string
		kind dnsmessage.Type
		want string
	}{
		{"web.default.pod.cluster.local.", dnsmessage.TypeA, "Success 10.206.0.7"},
		{"web.default.pod.cluster.local.", dnsmessage.TypeAAAA, "Success fd70:6561:706f::7"},
		{"WWW.Default.Pod.Cluster.Local.", dnsmessage.TypeA, "Success 10.206.0.7"},
		{"db.prod.pod.cluster.local.", dnsmessage.TypeA, "Success 10.206.0.8"},
		{"web.default.pod.cluster.local.", dnsmessage.TypeMX, "Success"},
		{"web.prod.pod.cluster.local.", dnsmessage.TypeA, "NameError"},
		{"10-206-0-7.default.pod.cluster.local.", dnsmessage.TypeA, "Success 10.206.0.7"},
		{"10-206-0-7.default.pod.cluster.local.", dnsmessage.TypeAAAA, "Success"},
		{"fd70-6561-706f--7.default.pod.cluster.local.", dnsmessage.TypeAAAA, "Success fd70:6561:706f::7"},
		{"10-206-0-7.prod.pod.cluster.local.", dnsmessage.TypeA, "NameError"},
		{"10-206-0-10.default.pod.cluster.local.", dnsmessage.TypeA, "NameError"},
		{"cluster.local.", dnsmessage.TypeA, "Success"},
		{"pod.cluster.local.", dnsmessage.TypeA, "Success"},
		{"default.pod.cluster.local.", dnsmessage.TypeA, "Success"},
		{"other.pod.cluster.local.", dnsmessage.TypeA, "NameError"},
		{"example.com.default.pod.cluster.local.", dnsmessage.TypeA, "NameError"},
		{"7.0.206.10.in-addr.arpa.", dnsmessage.TypePTR, "Success web.default.pod.cluster.local."},
		{"a.sub.prod.svc.cluster.local.", dnsmessage.TypeA, "Success 10.206.0.9"},
		{"sub.prod.svc.cluster.local.", dnsmessage.TypeA, "Success"},
		{"b.sub.prod.svc.cluster.local.", dnsmessage.TypeA, "NameError"},
		{"a.prod.pod.cluster.local.", dnsmessage.TypeA, "Success 10.206.0.9"},
		{"9.0.206.10.in-addr.arpa.", dnsmessage.TypePTR, "Success a.sub.prod.svc.cluster.local."},
		{"svc.prod.svc.cluster.local.", dnsmessage.TypeA, "Success 10.206.1.1"},
		{"host.example.internal.", dnsmessage.TypeA, "Success 192.0.2.1"},
		{"host.example.internal.", dnsmessage.TypeAAAA, "Success"},
		{"10.0.206.10.in-addr.arpa.", dnsmessage.TypePTR, "NameError"},
		{"0.206.10.in-addr.arpa.", dnsmessage.TypePTR, "Success"},
		{"206.10.in-addr.arpa.", dnsmessage.TypePTR, "Success"},
		{reverseName(db.Addrs[1]), dnsmessage.TypePTR, "Success db.prod.pod.cluster.local."},
	} {
		q, raw, forward := s.answer(ask(t, test.name, test.kind, 0), false)
		if forward || raw == nil {
			t.Errorf("%s: not answered here (forward %t)", test.name, forward)
			continue
		}
		m := parse(t, raw)
		if got := summary(m); got != test.want {
			t.Errorf("%s %s: got %q, want %q", test.name, test.kind, got, test.want)
		}
		if m.ID != 4711 || !m.Response || !m.Authoritative || !m.RecursionAvailable || !reflect.DeepEqual(m.Questions, []dnsmessage.Question{q.question}) {
			t.Errorf("%s: header %+v, questions %v", test.name, m.Header, m.Questions)
		}
		if negative := len(m.Answers) == 0; negative != (len(m.Authorities) == 1) {
			t.Errorf("%s: %d answers and %d SOA records", test.name, len(m.Answers), len(m.Authorities))
		}
	}
}

func TestForeignNamesAreForwarded(t *testing.T) {
	s := newServer(t, Config{})
	for _, name := range []string{"example.com.", ".", "local.", "xcluster.local.", "cluster.local.example.com.", "7.0.207.10.in-addr.arpa.", "10.in-addr.arpa."} {
		if _, raw, forward := s.answer(ask(t, name, dnsmessage.TypeA, 0), false); !forward || raw != nil {
			t.Errorf("%s: answered here: %x", name, raw)
		}
	}
}

func TestNotOrdinaryQueries(t *testing.T) {
	s := newServer(t, Config{})
	plain := ask(t, "web.default.pod.cluster.local.", dnsmessage.TypeA, 0)
	edit := func(change func(b []byte) []byte) []byte { return change(bytes.Clone(plain)) }
	for _, test := range []struct {
		name string
		raw  []byte
		want string // "" for no response
	}{
		{"a response", edit(func(b []byte) []byte { b[2] |= 0x80; return b }), ""},
		{"short header", plain[:11], ""},
		{"nothing", nil, ""},
		{"an update", edit(func(b []byte) []byte { b[2] |= 5 << 3; return b }), "NotImplemented"},
		{"cut question", plain[:20], "FormatError"},
		{"no question", edit(func(b []byte) []byte { b[5] = 0; return b[:12] }), "FormatError"},
		{"two questions", edit(func(b []byte) []byte { b[5] = 2; return append(b, b[12:]...) }), "FormatError"},
		{"missing additional", edit(func(b []byte) []byte { b[11] = 1; return b }), "FormatError"},
	} {
		_, raw, forward := s.answer(test.raw, false)
		got := ""
		if raw != nil {
			got = summary(parse(t, raw))
		}
		if forward || got != test.want {
			t.Errorf("%s: got %q (forward %t), want %q", test.name, got, forward, test.want)
		}
	}
}

func TestEDNSAndTruncation(t *testing.T) {
	s := newServer(t, Config{})
	var many []Host
	for i := range 100 {
		many = append(many, Host{Names: []string{"many"}, Namespace: "default", Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, 206, 1, byte(i)})}})
	}
	s.SetHosts(many)
	for _, test := range []struct {
		edns      int
		stream    bool
		truncated bool
	}{{0, false, true}, {1232, false, true}, {4096, false, false}, {0, true, false}} {
		_, raw, _ := s.answer(ask(t, "many.default.pod.cluster.local.", dnsmessage.TypeA, test.edns), test.stream)
		m := parse(t, raw)
		if m.Truncated != test.truncated || (len(m.Answers) == 100) == test.truncated {
			t.Errorf("%+v: truncated %t with %d answers", test, m.Truncated, len(m.Answers))
		}
		if !test.stream && len(raw) > max(plainUDP, test.edns) {
			t.Errorf("%+v: %d bytes", test, len(raw))
		}
		if hasOPT := len(m.Additionals) == 1; hasOPT != (test.edns > 0) {
			t.Errorf("%+v: additionals %v", test, m.Additionals)
		}
	}
}

func TestParseResolvConf(t *testing.T) {
	for _, test := range []struct {
		text    string
		servers string
		search  []string
	}{
		{"", "[]", nil},
		{"nameserver 192.0.2.1\nnameserver 2001:db8::1\n", "[192.0.2.1 2001:db8::1]", nil},
		{"  nameserver\t192.0.2.1 # home\n;nameserver 192.0.2.2\n#nameserver 192.0.2.3", "[192.0.2.1]", nil},
		{"nameserver fe80::1%eth0", "[fe80::1%eth0]", nil},
		{"nameserver 1.1.1.1\nnameserver 1.1.1.2\nnameserver 1.1.1.3\nnameserver 1.1.1.4", "[1.1.1.1 1.1.1.2 1.1.1.3]", nil},
		{"nameserver\nnameserver example.com\nnameserver 1.2.3\noptions ndots:5", "[]", nil},
		{"domain a.example\nsearch b.example c.example\n", "[]", []string{"b.example", "c.example"}},
		{"search b.example c.example\ndomain a.example", "[]", []string{"a.example"}},
		{"nameserver 192.0.2.1\r\n", "[192.0.2.1]", nil},
	} {
		got := ParseResolvConf([]byte(test.text))
		if fmt.Sprint(got.Servers) != test.servers || !slices.Equal(got.Search, test.search) {
			t.Errorf("%q: got %v", test.text, got)
		}
	}
}

func TestResolvFileIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	f := &resolvFile{path: path}
	if _, err := f.servers(); err == nil {
		t.Error("no error without a file")
	}
	for _, server := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"} { // the same size, at the same time
		if err := os.WriteFile(path, []byte("nameserver "+server), 0o644); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got, err := f.servers(); err != nil || fmt.Sprint(got) != "["+server+"]" {
				t.Errorf("got %v, %v, want %s", got, err, server)
			}
		}
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	if _, err := f.servers(); err != nil {
		t.Fatal(err)
	}
	replacement := path + ".new" // as a network manager does it
	if err := os.WriteFile(replacement, []byte("nameserver 192.0.2.4"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chtimes(replacement, old, old), os.Rename(replacement, path)); err != nil {
		t.Fatal(err)
	}
	if got, err := f.servers(); err != nil || fmt.Sprint(got) != "[192.0.2.4]" {
		t.Errorf("after replacement: %v, %v", got, err)
	}
}

// An upstream is a name server of a test: respond maps a query and its transport to the messages sent back.
type upstream struct {
	addr  netip.AddrPort
	asked atomic.Int64
}

func newUpstream(t *testing.T, ip string, port uint16, respond func(network string, query []byte) [][]byte) *upstream {
	t.Helper()
	u := &upstream{}
	packets, err := net.ListenPacket("udp", netip.AddrPortFrom(netip.MustParseAddr(ip), port).String())
	if err != nil {
		t.Fatal(err)
	}
	u.addr = packets.LocalAddr().(*net.UDPAddr).AddrPort()
	streams, err := net.Listen("tcp", u.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { packets.Close(); streams.Close() })
	go func() {
		b := make([]byte, maxLen)
		for {
			n, from, err := packets.ReadFrom(b)
			if err != nil {
				return
			}
			u.asked.Add(1)
			for _, response := range respond("udp", bytes.Clone(b[:n])) {
				_, _ = packets.WriteTo(response, from)
			}
		}
	}()
	go func() {
		for {
			c, err := streams.Accept()
			if err != nil {
				return
			}
			u.asked.Add(1)
			if query, err := readStream(c); err == nil {
				for _, response := range respond("tcp", query) {
					_ = writeStream(c, response)
				}
			}
			c.Close()
		}
	}()
	return u
}

// respondWith turns a query into a response with some flags, a code, and bytes at the end that nobody here understands.
func respondWith(query []byte, flags, code byte, rest string) []byte {
	b := append(bytes.Clone(query), rest...)
	b[2] |= 0x80 | flags
	b[3] = b[3]&0xf0 | code
	return b
}

func forwardingServer(t *testing.T, port uint16, servers ...string) *Server {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	text := ""
	for _, s := range servers {
		text += "nameserver " + s + "\n"
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return newServer(t, Config{ResolvConf: path, Port: port})
}

func forward(t *testing.T, s *Server, raw []byte, stream bool) []byte {
	t.Helper()
	q, _, ok := s.answer(raw, stream)
	if !ok {
		t.Fatal("not forwarded")
	}
	return s.forward(q, stream)
}

func TestForwardPassesBytes(t *testing.T) {
	var seen atomic.Pointer[[]byte]
	u := newUpstream(t, "127.0.0.1", 0, func(_ string, query []byte) [][]byte {
		seen.Store(&query)
		forged := respondWith(query, 0, 0, "forged")
		forged[0] ^= 0xff
		other := respondWith(query, 0, 0, "other")
		other[headerLen+1] ^= 1
		return [][]byte{forged, other, query, {1}, respondWith(query, 0, 0, "true")}
	})
	s := forwardingServer(t, u.addr.Port(), "127.0.0.1")
	raw := ask(t, "eXample.com.", dnsmessage.Type(65), 1400) // HTTPS
	got := forward(t, s, raw, false)
	if want := respondWith(raw, 0, 0, "true"); !bytes.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if asked := *seen.Load(); !bytes.Equal(asked[2:], raw[2:]) || len(asked) != len(raw) {
		t.Errorf("asked %q, want %q", asked, raw)
	}
}

func TestTruncatedAnswers(t *testing.T) {
	u := newUpstream(t, "127.0.0.1", 0, func(network string, query []byte) [][]byte {
		if network == "udp" {
			return [][]byte{respondWith(query, 0x02, 0, "part")}
		}
		return [][]byte{respondWith(query, 0, 0, "whole")}
	})
	s := forwardingServer(t, u.addr.Port(), "127.0.0.1")
	raw := ask(t, "example.com.", dnsmessage.TypeA, 0)
	for stream, want := range map[bool][]byte{false: respondWith(raw, 0x02, 0, "part"), true: respondWith(raw, 0, 0, "whole")} {
		if got := forward(t, s, raw, stream); !bytes.Equal(got, want) {
			t.Errorf("stream %t: got %q, want %q", stream, got, want)
		}
	}
}

func TestNextServerIsAsked(t *testing.T) {
	good := newUpstream(t, "127.0.0.1", 0, func(_ string, query []byte) [][]byte { return [][]byte{respondWith(query, 0, 0, "good")} })
	bad := newUpstream(t, "127.0.0.2", good.addr.Port(), func(_ string, query []byte) [][]byte { return [][]byte{respondWith(query, 0, 2, "bad")} })
	silent := newUpstream(t, "127.0.0.3", good.addr.Port(), func(string, []byte) [][]byte { return nil })
	raw := ask(t, "example.com.", dnsmessage.TypeA, 0)
	// Nobody listens at .4: refused.
	for _, servers := range [][]string{{"127.0.0.2", "127.0.0.1"}, {"127.0.0.4", "127.0.0.1"}, {"127.0.0.3", "127.0.0.1"}} {
		if got := forward(t, forwardingServer(t, good.addr.Port(), servers...), raw, false); !bytes.HasSuffix(got, []byte("good")) {
			t.Errorf("%v: got %q", servers, got)
		}
	}
	if bad.asked.Load() == 0 || silent.asked.Load() == 0 {
		t.Error("the first server was not asked")
	}
	if got := forward(t, forwardingServer(t, good.addr.Port(), "127.0.0.2"), raw, false); !bytes.HasSuffix(got, []byte("bad")) {
		t.Errorf("only server cannot answer: got %q", got)
	}
	for _, servers := range [][]string{nil, {"127.0.0.4"}} {
		got := parse(t, forward(t, forwardingServer(t, good.addr.Port(), servers...), raw, false))
		if got.RCode != dnsmessage.RCodeServerFailure || got.ID != 4711 || len(got.Questions) != 1 {
			t.Errorf("%v: got %+v", servers, got)
		}
	}
}

func TestCloseEndsQueries(t *testing.T) {
	silent := newUpstream(t, "127.0.0.1", 0, func(string, []byte) [][]byte { return nil })
	s := forwardingServer(t, silent.addr.Port(), "127.0.0.1")
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.ServePackets(packets)
	c, err := net.Dial("udp", packets.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(ask(t, "example.com.", dnsmessage.TypeA, 0)); err != nil {
		t.Fatal(err)
	}
	for silent.asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	late, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.ServeStreams(late)
	if _, err := late.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed server took a listener: %v", err)
	}
}

func TestStreamServesSeveralQueries(t *testing.T) {
	s := newServer(t, Config{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.ServeStreams(l)
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 3 {
		if err := writeStream(c, ask(t, "web.default.pod.cluster.local.", dnsmessage.TypeA, 0)); err != nil {
			t.Fatal(err)
		}
		raw, err := readStream(c)
		if err != nil {
			t.Fatal(err)
		}
		if got := summary(parse(t, raw)); got != "Success 10.206.0.7" {
			t.Error(got)
		}
	}
	_, _ = c.Write([]byte{0, 3, 'x', 'y', 'z'}) // not a query: the server hangs up
	if _, err := io.ReadAll(c); err != nil {
		t.Error(err)
	}
}

func TestLimiter(t *testing.T) {
	l := newLimiter(3, 2)
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	for i, step := range []struct {
		client netip.Addr
		want   bool
	}{{a, true}, {a, true}, {a, false}, {b, true}, {b, false}} {
		if got := l.enter(step.client); got != step.want {
			t.Errorf("step %d: %t", i, got)
		}
	}
	l.leave(a)
	if !l.enter(b) || l.enter(a) {
		t.Error("a place was not given back, or given twice")
	}
	for range 2 {
		l.leave(b)
	}
	l.leave(a)
	if l.total != 0 || len(l.byClient) != 0 {
		t.Errorf("left: %+v", l.byClient)
	}
}

func TestRaceEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := race(ctx, []netip.Addr{{}, {}}, func(ctx context.Context, _ netip.Addr) ([]byte, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// FuzzAnswer: whatever a client sends, there is no response, or one with its ID, flagged as such, that can be parsed.
func FuzzAnswer(f *testing.F) {
	s := newServer(f, Config{})
	f.Add(ask(f, "web.default.pod.cluster.local.", dnsmessage.TypeA, 1232), false)
	f.Add(ask(f, "7.0.206.10.in-addr.arpa.", dnsmessage.TypePTR, 0), true)
	f.Add([]byte("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01"), false)
	f.Fuzz(func(t *testing.T, raw []byte, stream bool) {
		q, response, forward := s.answer(raw, stream)
		if forward {
			response = q.reply(answer{code: dnsmessage.RCodeServerFailure}, maxLen)
			if response == nil {
				t.Fatal("no SERVFAIL for a query that would be forwarded")
			}
		}
		if response == nil {
			return
		}
		if m := parse(t, response); !m.Response || m.ID != binary.BigEndian.Uint16(raw) {
			t.Fatalf("header %+v for %x", m.Header, raw)
		}
	})
}

// FuzzAnswers: what upstream sends never panics, and what is accepted has the ID that was asked with.
func FuzzAnswers(f *testing.F) {
	sent := ask(f, "example.com.", dnsmessage.TypeA, 1232)
	f.Add(sent, respondWith(sent, 0, 0, "rest"))
	f.Add(sent, respondWith(sent, 2, 2, ""))
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, sent, response []byte) {
		if !answers(sent, response) {
			return
		}
		_, _ = truncated(response), usable(response)
		if !bytes.Equal(sent[:2], response[:2]) {
			t.Fatal("another ID")
		}
	})
}

func FuzzParseResolvConf(f *testing.F) {
	f.Add([]byte("search a b\nnameserver 192.0.2.1\nnameserver fe80::1%eth0 # x\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := ParseResolvConf(text)
		if len(c.Servers) > maxServers {
			t.Fatal("too many servers")
		}
		for _, s := range c.Servers {
			if !s.IsValid() {
				t.Fatal("not an address")
			}
		}
	})
}
