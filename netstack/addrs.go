package netstack

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// Addrs are a Pod's or the gateway's two addresses.
type Addrs struct {
	V4, V6 netip.Addr
}

// IsZero tells whether neither address is set.
func (a Addrs) IsZero() bool { return !a.V4.IsValid() && !a.V6.IsValid() }

// nth is the address with number n in a range: network address plus n.
func nth(p netip.Prefix, n uint32) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	tail := b[len(b)-4:]
	binary.BigEndian.PutUint32(tail, binary.BigEndian.Uint32(tail)+n)
	a, _ := netip.AddrFromSlice(b)
	return a
}

// numberOf is the number of an address in a range, if its range has no more than 2^32.
func numberOf(p netip.Prefix, a netip.Addr) uint32 {
	tail := func(a netip.Addr) uint32 { b := a.AsSlice(); return binary.BigEndian.Uint32(b[len(b)-4:]) }
	return tail(a) - tail(p.Masked().Addr())
}

// hardwareAddr derives a MAC from an IPv4 address, locally administered and unicast, so that a Pod that comes back with its
// address also has the MAC that its neighbours remember.
func hardwareAddr(v4 netip.Addr) []byte {
	b := v4.As4()
	return append([]byte{0x0a, 0x58}, b[:]...)
}

// linkName is the name of the hub's end of a Pod's veth. IFNAMSIZ leaves 15 bytes, too few for an ID.
func linkName(id string) string {
	sum := sha256.Sum256([]byte(id))
	return "p" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:12]
}

// aliasOf writes down in the kernel whose veth it is, for the process that finds it later.
func aliasOf(id string, a Addrs) string {
	return "peapod " + id + " " + a.V4.String() + " " + a.V6.String()
}

func parseAlias(s string) (id string, a Addrs, ok bool) {
	words := strings.Split(s, " ")
	if len(words) != 4 || words[0] != "peapod" {
		return "", Addrs{}, false
	}
	v4, err4 := netip.ParseAddr(words[2])
	v6, err6 := netip.ParseAddr(words[3])
	return words[1], Addrs{V4: v4, V6: v6}, err4 == nil && err6 == nil && v4.Is4() && v6.Is6()
}

// A pool hands out the addresses of the two ranges. Numbers 0 (network), 1 (gateway) and the last one (broadcast) are not
// given away. A number that was released comes last in turn, so that late packets find nobody rather than somebody else.
type pool struct {
	v4, v6 netip.Prefix
	last   uint32 // number given away most recently
	byID   map[string]Addrs
	owner  map[netip.Addr]string
}

const gatewayNumber = 1

func newPool(v4, v6 netip.Prefix) *pool {
	return &pool{v4: v4.Masked(), v6: v6.Masked(), last: gatewayNumber, byID: map[string]Addrs{}, owner: map[netip.Addr]string{}}
}

func (p *pool) gateway() Addrs {
	return Addrs{V4: nth(p.v4, gatewayNumber), V6: nth(p.v6, gatewayNumber)}
}

// size is how many numbers the IPv4 range has; the IPv6 range has no fewer (checkRanges).
func (p *pool) size() uint32 { return 1 << (32 - p.v4.Bits()) }

// allocate gives id the next free pair, or the one that it has.
func (p *pool) allocate(id string) (Addrs, error) {
	if a, ok := p.byID[id]; ok {
		return a, nil
	}
	size := p.size()
	for step := uint32(1); step <= size; step++ {
		n := (p.last + step) % size
		a := Addrs{V4: nth(p.v4, n), V6: nth(p.v6, n)}
		if n <= gatewayNumber || n == size-1 || p.owner[a.V4] != "" || p.owner[a.V6] != "" {
			continue
		}
		p.last = n
		p.give(id, a)
		return a, nil
	}
	return Addrs{}, fmt.Errorf("allocate address: all %d addresses of %s are in use", size-3, p.v4)
}

// reserve gives id exactly these addresses. It fails when they are outside the ranges or somebody else's.
func (p *pool) reserve(id string, a Addrs) error {
	if !p.v4.Contains(a.V4) || !p.v6.Contains(a.V6) {
		return fmt.Errorf("reserve addresses: %s, %s: outside of %s, %s", a.V4, a.V6, p.v4, p.v6)
	}
	for _, addr := range []netip.Addr{a.V4, a.V6} {
		if gw := p.gateway(); addr == gw.V4 || addr == gw.V6 {
			return fmt.Errorf("reserve address: %s: is the gateway's", addr)
		}
		if other := p.owner[addr]; other != "" && other != id {
			return fmt.Errorf("reserve address: %s: in use by %s", addr, other)
		}
	}
	p.release(id)
	p.give(id, a)
	b, base := a.V4.As4(), p.v4.Addr().As4()
	p.last = max(p.last, binary.BigEndian.Uint32(b[:])-binary.BigEndian.Uint32(base[:]))
	return nil
}

func (p *pool) give(id string, a Addrs) {
	p.byID[id] = a
	p.owner[a.V4], p.owner[a.V6] = id, id
}

func (p *pool) release(id string) {
	a, ok := p.byID[id]
	if !ok {
		return
	}
	delete(p.byID, id)
	delete(p.owner, a.V4)
	delete(p.owner, a.V6)
}
