package dns

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	maxCached     = 2048 // answers
	maxCachedSize = 4096 // bytes of one
	maxCachedTime = 5 * time.Minute
)

// A cache keeps upstream's answers for as long as their records live, negative ones too (RFC 2308). What it gives out has lived: the time
// that has passed is taken off every record.
type cache struct {
	now func() time.Time

	mu      sync.Mutex
	answers map[string]cached
}

type cached struct {
	response    []byte
	ttls        []int // where in it the times to live are
	born, death time.Time
}

func newCache() *cache { return &cache{now: time.Now, answers: map[string]cached{}} }

// cacheKey is all that an answer depends on: the servers, whether it may be long, and the query but for its ID and the case of its letters.
func cacheKey(servers []netip.Addr, raw []byte, stream bool) string {
	var key strings.Builder
	for _, server := range servers {
		key.WriteString(server.String() + " ")
	}
	if stream {
		key.WriteString("stream ")
	}
	end, ok := questionEnd(raw)
	if !ok {
		end = len(raw)
	}
	key.Write(raw[2:min(headerLen, len(raw))])
	for _, c := range raw[min(headerLen, len(raw)):end] {
		key.WriteByte(lower(c))
	}
	key.Write(raw[end:])
	return key.String()
}

// get returns an answer to raw, with its ID and the case of its letters; nil if none is known.
func (c *cache) get(key string, raw []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, ok := c.answers[key]
	now := c.now()
	if !ok || !now.Before(known.death) {
		delete(c.answers, key)
		return nil
	}
	response := slices.Clone(known.response)
	passed := uint32(now.Sub(known.born) / time.Second)
	for _, at := range known.ttls {
		ttl := binary.BigEndian.Uint32(response[at:])
		binary.BigEndian.PutUint32(response[at:], ttl-min(passed, ttl))
	}
	copy(response, raw[:2])
	if end, ok := questionEnd(raw); ok && end <= len(response) {
		copy(response[headerLen:end], raw[headerLen:end])
	}
	return response
}

// put keeps an answer that says something about the name and is whole. When there are too many, any one goes.
func (c *cache) put(key string, response []byte) {
	if len(response) < headerLen || len(response) > maxCachedSize || truncated(response) {
		return
	}
	if code := dnsmessage.RCode(response[3] & 0x0f); code != dnsmessage.RCodeSuccess && code != dnsmessage.RCodeNameError {
		return
	}
	ttls, seconds, ok := lifetime(response)
	if !ok || seconds == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.answers) >= maxCached {
		for other := range c.answers {
			delete(c.answers, other)
			break
		}
	}
	now := c.now()
	life := min(time.Duration(seconds)*time.Second, maxCachedTime)
	c.answers[key] = cached{slices.Clone(response), ttls, now, now.Add(life)}
}

// lifetime finds the times to live in a message and the shortest of them, in seconds. Without answers it is that of the SOA record, or
// its last number if that is less; without that too, nothing is to be remembered.
func lifetime(b []byte) (ttls []int, shortest uint32, ok bool) {
	at, ok := questionEnd(b)
	if !ok || binary.BigEndian.Uint16(b[4:]) != 1 {
		return nil, 0, false
	}
	counts := [3]uint16{binary.BigEndian.Uint16(b[6:]), binary.BigEndian.Uint16(b[8:]), binary.BigEndian.Uint16(b[10:])}
	shortest = ^uint32(0)
	remembered := counts[0] > 0
	for section, count := range counts {
		for range count {
			if at, ok = skipName(b, at); !ok || at+10 > len(b) {
				return nil, 0, false
			}
			kind, end := dnsmessage.Type(binary.BigEndian.Uint16(b[at:])), at+10+int(binary.BigEndian.Uint16(b[at+8:]))
			if end > len(b) {
				return nil, 0, false
			}
			if kind != dnsmessage.TypeOPT { // whose field of that name is something else: RFC 6891, section 6.1.3
				ttls = append(ttls, at+4)
				shortest = min(shortest, binary.BigEndian.Uint32(b[at+4:]))
			}
			if section == 1 && kind == dnsmessage.TypeSOA && end-at >= 10+4 {
				remembered = true
				if counts[0] == 0 {
					shortest = min(shortest, binary.BigEndian.Uint32(b[end-4:]))
				}
			}
			at = end
		}
	}
	return ttls, shortest, remembered
}

// skipName returns what follows a name, which may end with a pointer: RFC 1035, section 4.1.4.
func skipName(b []byte, at int) (int, bool) {
	for at < len(b) {
		switch c := b[at]; {
		case c == 0:
			return at + 1, true
		case c&0xc0 == 0xc0:
			return at + 2, at+2 <= len(b)
		case c&0xc0 != 0:
			return at, false
		default:
			at += 1 + int(c)
		}
	}
	return at, false
}
