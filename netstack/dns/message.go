package dns

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	headerLen = 12    // RFC 1035, section 4.1.1
	plainUDP  = 512   // the largest answer that a client without EDNS takes by UDP: RFC 1035, section 4.2.1
	maxLen    = 65535 // of a message over TCP
	ourUDP    = 1232  // announced with EDNS: fits every path without fragments
	ttl       = 5     // seconds, also of negative answers: Pods come and go
)

// A query is a message from a client, as far as this package must understand it.
type query struct {
	raw      []byte
	header   dnsmessage.Header
	question dnsmessage.Question
	edns     bool
	udpSize  int // what the client takes by UDP
}

var errNotAQuery = errors.New("not a query")

// parseQuery reads a client's message. errNotAQuery means that it must not be answered at all; with any other
// error the header is valid, and the answer is FORMERR.
func parseQuery(raw []byte) (query, error) {
	q := query{raw: raw, udpSize: plainUDP}
	var p dnsmessage.Parser
	var err error
	if q.header, err = p.Start(raw); err != nil || q.header.Response {
		return q, errNotAQuery
	}
	questions, err := p.AllQuestions()
	if err != nil {
		return q, err
	}
	if len(questions) != 1 {
		return q, errors.New("want one question")
	}
	q.question = questions[0]
	if err := p.SkipAllAnswers(); err != nil {
		return q, err
	}
	if err := p.SkipAllAuthorities(); err != nil {
		return q, err
	}
	return q, q.readAdditionals(&p)
}

// readAdditionals looks for EDNS: RFC 6891, section 6.1.2; the class field holds the size.
func (q *query) readAdditionals(p *dnsmessage.Parser) error {
	for {
		h, err := p.AdditionalHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Type == dnsmessage.TypeOPT {
			q.edns = true
			q.udpSize = max(plainUDP, int(h.Class))
		}
		if err := p.SkipAdditional(); err != nil {
			return err
		}
	}
}

// An answer is what the zone has to say.
type answer struct {
	code      dnsmessage.RCode
	addrs     []netip.Addr
	names     []string         // targets of PTR records
	authority *dnsmessage.Name // of a negative answer: the zone, for its SOA record
}

// reply builds the response to q, of at most limit bytes; one that would be longer is cut down to a truncated one.
func (q *query) reply(a answer, limit int) []byte {
	b, err := q.build(a, false)
	if err != nil {
		b, err = q.build(answer{code: dnsmessage.RCodeServerFailure}, false)
	}
	if err == nil && len(b) > limit {
		b, err = q.build(answer{code: a.code}, true)
	}
	if err != nil {
		return nil
	}
	return b
}

func (q *query) build(a answer, truncated bool) ([]byte, error) {
	b := dnsmessage.NewBuilder(make([]byte, 0, plainUDP), dnsmessage.Header{
		ID: q.header.ID, Response: true, OpCode: q.header.OpCode, Truncated: truncated, RCode: a.code,
		Authoritative:    len(a.addrs) > 0 || len(a.names) > 0 || a.authority != nil,
		RecursionDesired: q.header.RecursionDesired, RecursionAvailable: true, CheckingDisabled: q.header.CheckingDisabled,
	})
	b.EnableCompression()
	steps := []func() error{b.StartQuestions, func() error { return q.addQuestion(&b) },
		b.StartAnswers, func() error { return q.addAnswers(&b, a) },
		b.StartAuthorities, func() error { return addSOA(&b, a.authority) },
		b.StartAdditionals, func() error { return q.addEDNS(&b) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return b.Finish()
}

// addQuestion repeats the question, unless the query had none that could be read.
func (q *query) addQuestion(b *dnsmessage.Builder) error {
	if q.question.Name.Length == 0 {
		return nil
	}
	return b.Question(q.question)
}

func (q *query) addAnswers(b *dnsmessage.Builder, a answer) error {
	h := dnsmessage.ResourceHeader{Name: q.question.Name, Class: q.question.Class, TTL: ttl}
	for _, addr := range a.addrs {
		var err error
		if addr.Is4() {
			err = b.AResource(h, dnsmessage.AResource{A: addr.As4()})
		} else {
			err = b.AAAAResource(h, dnsmessage.AAAAResource{AAAA: addr.As16()})
		}
		if err != nil {
			return err
		}
	}
	for _, name := range a.names {
		target, err := dnsmessage.NewName(name)
		if err != nil {
			return err
		}
		if err := b.PTRResource(h, dnsmessage.PTRResource{PTR: target}); err != nil {
			return err
		}
	}
	return nil
}

// addSOA lets clients remember that there is nothing, for as long as its TTL: RFC 2308.
func addSOA(b *dnsmessage.Builder, zone *dnsmessage.Name) error {
	if zone == nil {
		return nil
	}
	h := dnsmessage.ResourceHeader{Name: *zone, Class: dnsmessage.ClassINET, TTL: ttl}
	return b.SOAResource(h, dnsmessage.SOAResource{
		NS: *zone, MBox: *zone, Serial: 1, Refresh: 3600, Retry: 600, Expire: 86400, MinTTL: ttl,
	})
}

// addEDNS answers EDNS with EDNS, as RFC 6891 demands.
func (q *query) addEDNS(b *dnsmessage.Builder) error {
	if !q.edns {
		return nil
	}
	var h dnsmessage.ResourceHeader
	if err := h.SetEDNS0(ourUDP, dnsmessage.RCodeSuccess, false); err != nil {
		return err
	}
	return b.OPTResource(h, dnsmessage.OPTResource{})
}

// questionEnd is where the only question of a message ends. Compressed names do not occur there: nothing stands before.
func questionEnd(b []byte) (int, bool) {
	i := headerLen
	for i < len(b) && b[i] != 0 {
		if b[i]&0xc0 != 0 {
			return 0, false
		}
		i += 1 + int(b[i])
	}
	i += 1 + 4 // root label, type, class
	return i, i <= len(b)
}

// answers tells whether response belongs to sent: the same ID and question, in whatever case its letters are.
func answers(sent, response []byte) bool {
	end, ok := questionEnd(sent)
	if !ok || len(response) < end || [2]byte(response) != [2]byte(sent) || response[2]&0x80 == 0 ||
		binary.BigEndian.Uint16(response[4:]) != 1 {
		return false
	}
	for i := headerLen; i < end; i++ {
		if lower(sent[i]) != lower(response[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func truncated(response []byte) bool { return response[2]&0x02 != 0 }

// usable tells whether a response says something about the name, rather than about the server's own trouble.
func usable(response []byte) bool {
	switch dnsmessage.RCode(response[3] & 0x0f) {
	case dnsmessage.RCodeServerFailure, dnsmessage.RCodeNotImplemented, dnsmessage.RCodeRefused:
		return false
	}
	return true
}
