package netstack

import (
	"fmt"
	"net/netip"
	"os"

	"github.com/peapod/peapod/netstack/dns"
)

// DefaultRanges chooses the Pods' two ranges such that they overlap nothing that the host can reach by a route of its own:
// used holds the destinations of the host's routes, its addresses and its name servers. Routes to so much that they are
// meant as "everything else" (shorter than /8, /16 in IPv6) do not count. The same input gives the same ranges.
func DefaultRanges(used []netip.Prefix) (v4, v6 netip.Prefix, err error) {
	v4, ok := firstFree(candidates4(), used)
	if !ok {
		return v4, v6, fmt.Errorf("choose pod range: the host's routes cover every private IPv4 range: set one by hand")
	}
	v6, ok = firstFree(candidates6(), used)
	if !ok {
		return v4, v6, fmt.Errorf("choose pod range: the host's routes cover every candidate in fd70:6561:706f::/48: set one by hand")
	}
	return v4, v6, nil
}

// candidates4 goes through the private space of RFC 1918 from the middle of 10/8, where home networks, VPNs and other
// container tools are rarest, and ends with the benchmark range of RFC 2544, which nobody routes.
func candidates4() []netip.Prefix {
	var all []netip.Prefix
	for second := range 256 {
		all = append(all, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(206 + second), 0, 0}), 16))
	}
	for second := byte(31); second >= 16; second-- {
		all = append(all, netip.PrefixFrom(netip.AddrFrom4([4]byte{172, second, 0, 0}), 16))
	}
	for third := 255; third >= 0; third-- {
		all = append(all, netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, byte(third), 0}), 24))
	}
	return append(all, netip.MustParsePrefix("198.18.0.0/16"), netip.MustParsePrefix("198.19.0.0/16"))
}

// candidates6 are subnets of one unique local prefix (RFC 4193), whose 40 bits spell the program's name.
func candidates6() []netip.Prefix {
	var all []netip.Prefix
	for subnet := range 256 {
		a := netip.MustParseAddr("fd70:6561:706f::").As16()
		a[7] = byte(subnet)
		all = append(all, netip.PrefixFrom(netip.AddrFrom16(a), 64))
	}
	return all
}

func firstFree(candidates, used []netip.Prefix) (netip.Prefix, bool) {
	for _, candidate := range candidates {
		if !overlapsAny(candidate, used) {
			return candidate, true
		}
	}
	return netip.Prefix{}, false
}

func overlapsAny(candidate netip.Prefix, used []netip.Prefix) bool {
	shortest := 8
	if candidate.Addr().Is6() {
		shortest = 16
	}
	for _, p := range used {
		if p.Bits() >= shortest && p.Overlaps(candidate) {
			return true
		}
	}
	return false
}

// hostUses lists what DefaultRanges must avoid. Precondition: the caller is an ordinary goroutine, in the host's namespace.
func hostUses(resolvConf string) ([]netip.Prefix, error) {
	host, err := openRtnl()
	if err != nil {
		return nil, err
	}
	defer host.close()
	used, err := host.routes()
	if err != nil {
		return nil, err
	}
	if text, err := os.ReadFile(resolvConf); err == nil {
		for _, server := range dns.ParseResolvConf(text).Servers {
			used = append(used, netip.PrefixFrom(server.WithZone(""), server.BitLen()))
		}
	}
	return used, nil
}

// checkRanges makes sure that there is room for a gateway and Pods, and the same numbers in both families.
func checkRanges(v4, v6 netip.Prefix) error {
	if !v4.Addr().Is4() || v4.Bits() < 8 || v4.Bits() > 29 {
		return fmt.Errorf("pod range: %s: want an IPv4 prefix of length 8 to 29", v4)
	}
	if !v6.Addr().Is6() || v6.Addr().Is4In6() || v6.Bits() < 16 || v6.Bits() > 96 {
		return fmt.Errorf("pod range: %s: want an IPv6 prefix of length 16 to 96", v6)
	}
	return nil
}
