package dns

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// upstreamAnswer is a message with one A record, or without any and an SOA record.
func upstreamAnswer(t testing.TB, raw []byte, code dnsmessage.RCode, ttl, soa uint32) []byte {
	t.Helper()
	q, err := parseQuery(raw)
	if err != nil {
		t.Fatal(err)
	}
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: q.header.ID, Response: true, RCode: code})
	b.EnableCompression()
	h := dnsmessage.ResourceHeader{Name: q.question.Name, Class: dnsmessage.ClassINET, TTL: ttl}
	for _, step := range []func() error{
		b.StartQuestions, func() error { return b.Question(q.question) },
		b.StartAnswers, func() error {
			if soa != 0 {
				return nil
			}
			return b.AResource(h, dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}})
		},
		b.StartAuthorities, func() error {
			if soa == 0 {
				return nil
			}
			return b.SOAResource(h, dnsmessage.SOAResource{NS: q.question.Name, MBox: q.question.Name, MinTTL: soa})
		},
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	m, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestCache(t *testing.T) {
	servers := []netip.Addr{netip.MustParseAddr("192.0.2.53")}
	for _, test := range []struct {
		name     string
		code     dnsmessage.RCode
		ttl, soa uint32
		lives    time.Duration
	}{
		{"an answer", dnsmessage.RCodeSuccess, 30, 0, 30 * time.Second},
		{"a long-lived one", dnsmessage.RCodeSuccess, 86400, 0, maxCachedTime},
		{"no such name", dnsmessage.RCodeNameError, 60, 10, 10 * time.Second},
		{"no such record", dnsmessage.RCodeSuccess, 7, 3600, 7 * time.Second},
		{"one for now", dnsmessage.RCodeSuccess, 0, 0, 0},
		{"the server's trouble", dnsmessage.RCodeServerFailure, 60, 0, 0},
	} {
		now := time.Unix(1000, 0)
		c := newCache()
		c.now = func() time.Time { return now }
		raw := ask(t, "www.example.org.", dnsmessage.TypeA, 0)
		key := cacheKey(servers, raw, false)
		c.put(key, upstreamAnswer(t, raw, test.code, test.ttl, test.soa))
		other := ask(t, "WWW.Example.ORG.", dnsmessage.TypeA, 0)
		other[0], other[1] = 7, 7
		if test.lives > 0 {
			now = now.Add(2 * time.Second)
			got := c.get(cacheKey(servers, other, false), other)
			if got == nil || !answers(other, got) || string(got[headerLen:headerLen+17]) != string(other[headerLen:headerLen+17]) {
				t.Errorf("%s: not given to another client: %x", test.name, got)
				continue
			}
			if m := parse(t, got); len(m.Answers) == 1 && m.Answers[0].Header.TTL != test.ttl-2 {
				t.Errorf("%s: time to live %d after 2 s of %d", test.name, m.Answers[0].Header.TTL, test.ttl)
			}
			now = now.Add(test.lives - 2*time.Second)
		}
		if got := c.get(key, raw); got != nil {
			t.Errorf("%s: lives too long", test.name)
		}
	}
}

func TestCacheKeepsApart(t *testing.T) {
	a, b := netip.MustParseAddr("192.0.2.53"), netip.MustParseAddr("192.0.2.54")
	query := ask(t, "www.example.org.", dnsmessage.TypeA, 0)
	keys := map[string]bool{}
	for _, key := range []string{
		cacheKey([]netip.Addr{a}, query, false), cacheKey([]netip.Addr{b}, query, false), cacheKey([]netip.Addr{a}, query, true),
		cacheKey([]netip.Addr{a}, ask(t, "www.example.org.", dnsmessage.TypeAAAA, 0), false),
		cacheKey([]netip.Addr{a}, ask(t, "www.example.org.", dnsmessage.TypeA, 1232), false),
		cacheKey([]netip.Addr{a}, ask(t, "ww.example.org.", dnsmessage.TypeA, 0), false),
	} {
		if keys[key] {
			t.Errorf("two queries have the key %q", key)
		}
		keys[key] = true
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache()
	raw := ask(t, "www.example.org.", dnsmessage.TypeA, 0)
	response := upstreamAnswer(t, raw, dnsmessage.RCodeSuccess, 60, 0)
	for i := range 2 * maxCached {
		c.put(string(rune(i)), response)
	}
	if len(c.answers) > maxCached {
		t.Errorf("%d answers", len(c.answers))
	}
}

func FuzzCache(f *testing.F) {
	raw := ask(f, "www.example.org.", dnsmessage.TypeA, 0)
	f.Add(raw, upstreamAnswer(f, raw, dnsmessage.RCodeSuccess, 60, 0))
	f.Add(raw, upstreamAnswer(f, raw, dnsmessage.RCodeNameError, 60, 30))
	f.Fuzz(func(t *testing.T, raw, response []byte) {
		if len(raw) < headerLen {
			return
		}
		c := newCache()
		key := cacheKey(nil, raw, false)
		c.put(key, response)
		if got := c.get(key, raw); got != nil && len(got) != len(response) {
			t.Error("another length")
		}
	})
}
