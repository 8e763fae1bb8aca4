package netstack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/relay"
)

const nftTable = "peapod"

// installRules puts the hub's rules into the kernel in one transaction: packets see the old set or the new one. It
// must run on the hub's thread. The old set may lead to the ports of a process that is gone.
//
//	table inet peapod {
//		chain hold {
//			type filter hook prerouting priority raw; policy accept;
//			… what does not leave the ranges: accept, as below
//			ip saddr <range> tcp flags & (fin | syn | rst | ack) == syn queue num <SYN>
//			ip saddr <range> icmp type echo-request queue num <Echo>
//			… and the same for ip6
//		}
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
// A packet that comes back from a queue goes on with the next chain, not the next rule: so there are two. Where nobody listens to the queue
// or on the port, the packet is dropped, or finds no route as the tproxy rule ends before the mark is set: a Pod hears
// nothing rather than a refusal that nobody at the destination gave.
func installRules(v4, v6 netip.Prefix, ports relay.Ports, log *slog.Logger) error {
	return byQueue(ports, log, func(queue queueTo) error { return installRuleSet(v4, v6, ports, queue) })
}

// byQueue installs rules with the first way to a queue that the kernel has, and says so if it has none.
func byQueue(ports relay.Ports, log *slog.Logger, install func(queueTo) error) error {
	var err error
	for _, queue := range waysToQueue {
		if ports.SYN == 0 && queue != nil {
			continue
		}
		if err = install(queue); err == nil {
			if queue == nil && ports.SYN != 0 {
				log.Info("the kernel has no rule that leads to a packet queue: a refused connection of a pod is opened and then reset, and ping stays unanswered",
					"needs", "CONFIG_NFT_QUEUE (module nft_queue), or CONFIG_NFT_COMPAT and CONFIG_NETFILTER_XT_TARGET_NFQUEUE")
			}
			return nil
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	return err
}

// queueTo is the expression that leads a packet to a queue.
type queueTo func(number uint16) expr.Any

// waysToQueue are that of nftables, that of iptables, and none.
var waysToQueue = []queueTo{
	func(number uint16) expr.Any { return &expr.Queue{Num: number, Total: 1} },
	func(number uint16) expr.Any {
		// struct xt_NFQ_info, of revision 0, padded as XT_ALIGN does
		info := xt.Unknown(append(binary.NativeEndian.AppendUint16(nil, number), make([]byte, 6)...))
		return &expr.Target{Name: "NFQUEUE", Info: &info}
	},
	nil,
}

func installRuleSet(v4, v6 netip.Prefix, ports relay.Ports, queue queueTo) error {
	c, err := openNft()
	if err != nil {
		return explainNft(err, false)
	}
	defer func() { _ = c.CloseLasting() }()
	table := c.AddTable(&nftables.Table{Name: nftTable, Family: nftables.TableFamilyINet})
	prerouting := func(name string, priority *nftables.ChainPriority, rules [][]expr.Any) {
		chain := c.AddChain(&nftables.Chain{
			Name: name, Table: table, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookPrerouting, Priority: priority,
		})
		for _, exprs := range rules {
			c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: exprs})
		}
	}
	c.FlushTable(table)
	var holding [][]expr.Any
	if queue != nil {
		holding = holdRules(v4, v6, ports, queue)
	}
	prerouting("hold", nftables.ChainPriorityRaw, holding)
	prerouting("egress", nftables.ChainPriorityMangle, egressRules(v4, v6, ports))
	if err := c.Flush(); err != nil {
		c.AddTable(table)
		return explainNft(err, c.Flush() == nil)
	}
	return nil
}

// removeRules takes a table of the hub's rules away, where it is. It must run on the hub's thread.
func removeRules(name string) error {
	c, err := openNft()
	if err != nil {
		return nil // a kernel without nftables has no rules
	}
	defer func() { _ = c.CloseLasting() }()
	table := &nftables.Table{Name: name, Family: nftables.TableFamilyINet}
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
	lacking := lacksNft(err)
	switch {
	case lacking && haveTables:
		return fmt.Errorf("install egress rules: %w: the kernel lacks tproxy: it needs CONFIG_NFT_TPROXY (module nft_tproxy): %w", errors.ErrUnsupported, err)
	case lacking:
		return fmt.Errorf("install egress rules: %w: the kernel lacks nftables: it needs CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET (module nf_tables): %w", errors.ErrUnsupported, err)
	}
	return fmt.Errorf("install egress rules: %w", err)
}

func lacksNft(err error) bool {
	return slices.ContainsFunc([]error{unix.ENOENT, unix.EOPNOTSUPP, unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT, unix.EINVAL},
		func(answer error) bool { return errors.Is(err, answer) })
}

// stayRules accept what is not for the engine.
func stayRules(v4, v6 netip.Prefix) [][]expr.Any {
	accept := &expr.Verdict{Kind: expr.VerdictAccept}
	rules := [][]expr.Any{append(matchLink(expr.MetaKeyIIFNAME, expr.CmpOpNeq, bridgeName), accept)}
	inside := []netip.Prefix{
		v4, netip.MustParsePrefix("224.0.0.0/4"),
		v6, netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("ff00::/8"),
	}
	for _, p := range inside {
		rules = append(rules, append(matchAddr(p, destination), accept))
	}
	return rules
}

// matchLink compares the name of the link that a packet comes in or goes out by.
func matchLink(key expr.MetaKey, op expr.CmpOp, name string) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: key, Register: 1},
		&expr.Cmp{Op: op, Register: 1, Data: append([]byte(name), make([]byte, unix.IFNAMSIZ-len(name))...)},
	}
}

func holdRules(v4, v6 netip.Prefix, ports relay.Ports, queue queueTo) [][]expr.Any {
	const (
		flags, openers, syn     = 13, 0x17, 0x02 // offset of TCP's flags; FIN, SYN, RST and ACK
		kind, request, request6 = 0, 8, 128      // offset of ICMP's type; echo request
	)
	rules := stayRules(v4, v6)
	for _, r := range []struct {
		source      netip.Prefix
		protocol    byte
		offset      uint32
		mask, value byte
		to          uint16
	}{
		{v4, unix.IPPROTO_TCP, flags, openers, syn, ports.SYN},
		{v6, unix.IPPROTO_TCP, flags, openers, syn, ports.SYN},
		{v4, unix.IPPROTO_ICMP, kind, 0xff, request, ports.Echo},
		{v6, unix.IPPROTO_ICMPV6, kind, 0xff, request6, ports.Echo},
	} {
		exprs := append(matchAddr(r.source, source), matchProtocol(r.protocol)...)
		rules = append(rules, append(exprs,
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: r.offset, Len: 1},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{r.mask}, Xor: []byte{0}},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{r.value}},
			queue(r.to),
		))
	}
	return rules
}

func egressRules(v4, v6 netip.Prefix, ports relay.Ports) [][]expr.Any {
	rules := stayRules(v4, v6)
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
	return append(append(matchProtocol(protocol),
		&expr.Immediate{Register: 1, Data: binary.BigEndian.AppendUint16(nil, port)},
		&expr.TProxy{Family: to, TableFamily: byte(nftables.TableFamilyINet), RegPort: 1},
	), deliverHere()...)
}

// deliverHere ends a rule for what a socket of the hub gets: deliverLocally has the route for that mark.
func deliverHere() []expr.Any {
	return []expr.Any{
		&expr.Immediate{Register: 1, Data: binary.NativeEndian.AppendUint32(nil, egressMark)},
		&expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: 1},
		&expr.Verdict{Kind: expr.VerdictAccept},
	}
}

func matchProtocol(protocol byte) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{protocol}},
	}
}
