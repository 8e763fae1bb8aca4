package dns

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// A Host is a Pod with its names.
type Host struct {
	Names     []string // the first is its real name, the last its hostname
	Subdomain string   // if it has one, <hostname>.<subdomain>.<namespace>.svc is a name too
	Namespace string
	Addrs     []netip.Addr
}

// A Record is any other name that this server answers by itself, wherever in the tree it is, with its addresses. Names are whole, with or
// without a dot at the end.
type Record struct {
	Name  string
	Addrs []netip.Addr
}

// A zone is an immutable table of what this server answers by itself. Names in it are in lower case and end with a dot.
type zone struct {
	domain  string   // "cluster.local."
	reverse []string // suffixes of the ranges' reverse names
	addrs   map[string][]netip.Addr
	names   map[string][]string // reverse name to names
	inner   map[string]bool     // names that exist because others stand below them
}

func newZone(domain string, ranges []netip.Prefix, hosts []Host, records []Record) *zone {
	z := &zone{
		domain: strings.ToLower(strings.Trim(domain, ".")) + ".",
		addrs:  map[string][]netip.Addr{}, names: map[string][]string{}, inner: map[string]bool{},
	}
	for _, r := range ranges {
		z.reverse = append(z.reverse, reverseSuffix(r))
	}
	for _, part := range []string{"", "pod.", "svc."} {
		z.inner[part+z.domain] = true
	}
	for _, h := range hosts {
		z.add(h)
	}
	for _, r := range records {
		z.addName(strings.ToLower(strings.Trim(r.Name, "."))+".", r.Addrs)
	}
	return z
}

// addName adds addresses of a name; within the domain the names above it exist then.
func (z *zone) addName(name string, addrs []netip.Addr) {
	z.addrs[name] = append(z.addrs[name], addrs...)
	for below(name, z.domain) {
		_, name, _ = strings.Cut(name, ".")
		z.inner[name] = true
	}
}

func (z *zone) add(h Host) {
	namespace := strings.ToLower(h.Namespace)
	pods := namespace + ".pod." + z.domain
	for _, name := range h.Names {
		z.addName(strings.ToLower(name)+"."+pods, h.Addrs)
	}
	var real string
	if len(h.Names) > 0 {
		real = strings.ToLower(h.Names[0]) + "." + pods
		if h.Subdomain != "" {
			real = strings.ToLower(h.Names[len(h.Names)-1]+"."+h.Subdomain) + "." + namespace + ".svc." + z.domain
			z.addName(real, h.Addrs)
		}
	}
	for _, addr := range h.Addrs {
		z.addName(dashes(addr)+"."+pods, []netip.Addr{addr})
		if real != "" {
			z.names[reverseName(addr)] = append(z.names[reverseName(addr)], real)
		}
	}
}

// lookup answers a question; ours is false if it is not for this zone.
func (z *zone) lookup(q dnsmessage.Question) (a answer, ours bool) {
	if q.Class != dnsmessage.ClassINET && q.Class != dnsmessage.ClassANY {
		return answer{}, false
	}
	name := strings.ToLower(q.Name.String())
	apex, ours := z.apex(name)
	if !ours {
		return answer{}, false
	}
	switch q.Type {
	case dnsmessage.TypeA:
		a.addrs = pick(z.addrs[name], netip.Addr.Is4)
	case dnsmessage.TypeAAAA:
		a.addrs = pick(z.addrs[name], netip.Addr.Is6)
	case dnsmessage.TypePTR:
		a.names = z.names[name]
	}
	if len(a.addrs) == 0 && len(a.names) == 0 {
		a.code = z.absence(name)
		if soa, err := dnsmessage.NewName(apex); err == nil {
			a.authority = &soa
		}
	}
	return a, true
}

// absence is the code of an answer without records: a name that exists, or has others below, is not a name error.
func (z *zone) absence(name string) dnsmessage.RCode {
	_, forward := z.addrs[name]
	_, backward := z.names[name]
	if forward || backward || z.inner[name] || slices.Contains(z.reverse, name) {
		return dnsmessage.RCodeSuccess
	}
	if slices.ContainsFunc(z.reverse, func(suffix string) bool { return below(name, suffix) }) {
		for full := range z.names {
			if below(full, name) {
				return dnsmessage.RCodeSuccess
			}
		}
	}
	return dnsmessage.RCodeNameError
}

// apex finds the part of the zone that a name belongs to.
func (z *zone) apex(name string) (string, bool) {
	for _, apex := range append([]string{z.domain}, z.reverse...) {
		if name == apex || below(name, apex) {
			return apex, true
		}
	}
	_, known := z.addrs[name] // a record outside the domain is a zone of one name
	return name, known
}

func below(name, suffix string) bool { return strings.HasSuffix(name, "."+suffix) }

func pick(addrs []netip.Addr, want func(netip.Addr) bool) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(addrs), func(a netip.Addr) bool { return !want(a) })
}

// dashes writes an address as a label: 10-206-0-7, fd70-6561-706f--7.
func dashes(a netip.Addr) string {
	return strings.NewReplacer(".", "-", ":", "-").Replace(a.String())
}

// reverseName is the name of an address's PTR record: RFC 1035, section 3.5, and RFC 3596, section 2.5.
func reverseName(a netip.Addr) string {
	if a.Is4() {
		return strings.Join(reverseLabels(a), ".") + ".in-addr.arpa."
	}
	return strings.Join(reverseLabels(a), ".") + ".ip6.arpa."
}

func reverseLabels(a netip.Addr) []string {
	var labels []string
	for _, b := range slices.Backward(a.AsSlice()) {
		if a.Is4() {
			labels = append(labels, strconv.Itoa(int(b)))
			continue
		}
		labels = append(labels, strconv.FormatUint(uint64(b&0xf), 16), strconv.FormatUint(uint64(b>>4), 16))
	}
	return labels
}

// reverseSuffix is the name below which the PTR records of a range are. A range that does not end between two labels
// is widened to where it does.
func reverseSuffix(r netip.Prefix) string {
	bitsPerLabel := 4
	if r.Addr().Is4() {
		bitsPerLabel = 8
	}
	labels := strings.SplitAfter(reverseName(r.Masked().Addr()), ".")
	hidden := r.Addr().BitLen()/bitsPerLabel - r.Bits()/bitsPerLabel
	return strings.Join(labels[hidden:], "")
}
