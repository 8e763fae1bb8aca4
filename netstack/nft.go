package netstack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/relay"
)

const nftTable = "peapod"

// installRules puts the hub's rules into the kernel in one transaction: packets see the old set or the new one. It
// must run on the hub's thread. The old set may lead to the ports of a process that is gone.
//
//	table inet peapod {
//		chain egress {
//			type filter hook prerouting priority mangle; policy accept;
//			iifname != "peapod0" accept
//			ip daddr { <range>, 224.0.0.0/4 } accept
//			ip6 daddr { <range>, fe80::/10, ff00::/8 } accept
//			ip saddr <range> meta l4proto tcp tproxy ip to :<port> meta mark set <mark> accept
//			… and the same for udp and ip6
//		}
//	}
//
// If nobody listens on the port, the tproxy rule ends before the mark is set and the packet finds no route: a Pod hears nothing
// rather than a refusal that nobody at the destination gave.
func installRules(v4, v6 netip.Prefix, ports relay.Ports) error {
	c, err := openNft()
	if err != nil {
		return explainNft(err, false)
	}
	defer func() { _ = c.CloseLasting() }()
	table := c.AddTable(&nftables.Table{Name: nftTable, Family: nftables.TableFamilyINet})
	chain := c.AddChain(&nftables.Chain{
		Name: "egress", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityMangle,
	})
	c.FlushTable(table)
	for _, exprs := range egressRules(v4, v6, ports) {
		c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: exprs})
	}
	if err := c.Flush(); err != nil {
		c.AddTable(table)
		return explainNft(err, c.Flush() == nil)
	}
	return nil
}

// removeRules takes the hub's rules away, where there are some. It must run on the hub's thread.
func removeRules() error {
	c, err := openNft()
	if err != nil {
		return nil // a kernel without nftables has no rules
	}
	defer func() { _ = c.CloseLasting() }()
	table := &nftables.Table{Name: nftTable, Family: nftables.TableFamilyINet}
	c.AddTable(table) // so that there is one to delete
	c.DelTable(table)
	if err := c.Flush(); err != nil && !errors.Is(explainNft(err, false), errors.ErrUnsupported) {
		return fmt.Errorf("remove egress rules: %w", err)
	}
	return nil
}

// openNft limits how long an answer is waited for: a kernel without nf_tables answers a transaction only once.
func openNft() (*nftables.Conn, error) {
	return nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *netlink.Conn) error {
		return c.SetDeadline(time.Now().Add(5 * time.Second))
	}))
}

// explainNft names what the kernel lacks. The kernel answers ENOENT for an expression that it does not have.
func explainNft(err error, haveTables bool) error {
	lacking := errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPROTONOSUPPORT) ||
		errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EINVAL)
	switch {
	case lacking && haveTables:
		return fmt.Errorf("install egress rules: %w: the kernel lacks tproxy: it needs CONFIG_NFT_TPROXY (module nft_tproxy): %w", errors.ErrUnsupported, err)
	case lacking:
		return fmt.Errorf("install egress rules: %w: the kernel lacks nftables: it needs CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET (module nf_tables): %w", errors.ErrUnsupported, err)
	}
	return fmt.Errorf("install egress rules: %w", err)
}

func egressRules(v4, v6 netip.Prefix, ports relay.Ports) [][]expr.Any {
	accept := &expr.Verdict{Kind: expr.VerdictAccept}
	name := append([]byte(bridgeName), make([]byte, unix.IFNAMSIZ-len(bridgeName))...)
	rules := [][]expr.Any{{
		&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: name},
		accept,
	}}
	inside := []netip.Prefix{
		v4, netip.MustParsePrefix("224.0.0.0/4"),
		v6, netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("ff00::/8"),
	}
	for _, p := range inside {
		rules = append(rules, append(matchAddr(p, destination), accept))
	}
	for _, to := range []struct {
		source   netip.Prefix
		protocol byte
		port     uint16
	}{
		{v4, unix.IPPROTO_TCP, ports.TCP4}, {v4, unix.IPPROTO_UDP, ports.UDP4},
		{v6, unix.IPPROTO_TCP, ports.TCP6}, {v6, unix.IPPROTO_UDP, ports.UDP6},
	} {
		rules = append(rules, append(matchAddr(to.source, source), tproxyTo(to.source, to.protocol, to.port)...))
	}
	return rules
}

type direction bool

const (
	source      direction = false
	destination direction = true
)

// matchAddr compares an address of the IP header: at 12 and 16 in IPv4 (RFC 791), at 8 and 24 in IPv6 (RFC 8200).
func matchAddr(p netip.Prefix, which direction) []expr.Any {
	proto, offset, length := byte(unix.NFPROTO_IPV4), uint32(12), uint32(4)
	if p.Addr().Is6() {
		proto, offset, length = unix.NFPROTO_IPV6, 8, 16
	}
	if which == destination {
		offset += length
	}
	mask := make([]byte, length)
	for bit := range p.Bits() {
		mask[bit/8] |= 0x80 >> (bit % 8)
	}
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{proto}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: length},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: length, Mask: mask, Xor: make([]byte, length)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: p.Masked().Addr().AsSlice()},
	}
}

func tproxyTo(source netip.Prefix, protocol byte, port uint16) []expr.Any {
	to := byte(unix.NFPROTO_IPV4)
	if source.Addr().Is6() {
		to = unix.NFPROTO_IPV6
	}
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{protocol}},
		&expr.Immediate{Register: 1, Data: binary.BigEndian.AppendUint16(nil, port)},
		&expr.TProxy{Family: to, TableFamily: byte(nftables.TableFamilyINet), RegPort: 1},
		&expr.Immediate{Register: 1, Data: binary.NativeEndian.AppendUint32(nil, egressMark)},
		&expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: 1},
		&expr.Verdict{Kind: expr.VerdictAccept},
	}
}
