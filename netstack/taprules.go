package netstack

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack/relay"
)

const tapTable = "peapod-tap"

// installTapRules puts the rules for a tap device into the kernel, instead of an older set. It must run on the hub's thread. kept are the destinations that the
// relay carries.
//
//	table inet peapod-tap {
//		chain held   { … as chain hold of installRules }
//		chain relayed { … as chain egress of installRules }
//		chain hold {
//			type filter hook prerouting priority raw; policy accept;
//			ip daddr <kept> goto held
//			… and so on
//		}
//		chain egress {
//			type filter hook prerouting priority mangle; policy accept;
//			iifname "peapod0" socket transparent 1 meta mark set <mark> accept
//			ip daddr <kept> goto relayed
//			… and so on
//		}
//		chain forward {
//			type filter hook forward priority filter; policy drop;
//			iifname "peapod0" oifname "peapod-tap" ip saddr <range> accept
//			iifname "peapod-tap" oifname "peapod0" ct state { established, related } accept
//			… and the same for ip6
//		}
//		chain masquerade {
//			type nat hook postrouting priority srcnat; policy accept;
//			oifname "peapod-tap" masquerade
//		}
//	}
//
// A transparent socket is one that speaks to a Pod from a published port with the address of a client.
func installTapRules(v4, v6 netip.Prefix, kept []netip.Prefix, ports relay.Ports, log *slog.Logger) error {
	return byQueue(ports, log, func(queue queueTo) error {
		c, err := openNft()
		if err != nil {
			return explainTapNft(err)
		}
		defer func() { _ = c.CloseLasting() }()
		table := c.AddTable(&nftables.Table{Name: tapTable, Family: nftables.TableFamilyINet})
		c.DelTable(table)
		c.AddTable(table)
		var holding [][]expr.Any
		if queue != nil {
			holding = holdRules(v4, v6, ports, queue)
		}
		for _, chain := range tapChains(v4, v6, kept, holding, egressRules(v4, v6, ports)) {
			added := c.AddChain(chain.at(table))
			for _, exprs := range chain.rules {
				c.AddRule(&nftables.Rule{Table: table, Chain: added, Exprs: exprs})
			}
		}
		if err := c.Flush(); err != nil {
			return explainTapNft(err)
		}
		return nil
	})
}

// explainTapNft names all that the kernel may lack: it does not say which of them it is.
func explainTapNft(err error) error {
	if lacksNft(err) {
		return fmt.Errorf("install rules for a tap device: %w: the kernel lacks some of what they need: Linux 5.2, CONFIG_NF_TABLES_INET, "+
			"CONFIG_NFT_TPROXY, CONFIG_NFT_SOCKET, CONFIG_NFT_CT, CONFIG_NFT_NAT and CONFIG_NFT_MASQ: %w", errors.ErrUnsupported, err)
	}
	return fmt.Errorf("install rules for a tap device: %w", err)
}

// A tapChain hangs at a hook, or at none if its kind is empty: then others lead to it.
type tapChain struct {
	name     string
	kind     nftables.ChainType
	hook     *nftables.ChainHook
	priority *nftables.ChainPriority
	policy   nftables.ChainPolicy
	rules    [][]expr.Any
}

func (c tapChain) at(table *nftables.Table) *nftables.Chain {
	chain := &nftables.Chain{Name: c.name, Table: table}
	if c.kind != "" {
		chain.Type, chain.Hooknum, chain.Priority, chain.Policy = c.kind, c.hook, c.priority, &c.policy
	}
	return chain
}

func tapChains(v4, v6 netip.Prefix, kept []netip.Prefix, holding, relaying [][]expr.Any) []tapChain {
	const accept = nftables.ChainPolicyAccept
	fromBridge := func() []expr.Any { return matchLink(expr.MetaKeyIIFNAME, expr.CmpOpEq, bridgeName) }
	toSocket := append(fromBridge(),
		&expr.Socket{Key: expr.SocketKeyTransparent, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{1}},
	)
	return []tapChain{
		{name: "held", rules: holding},
		{name: "relayed", rules: relaying},
		{"hold", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, nftables.ChainPriorityRaw, accept, goTo("held", kept)},
		{"egress", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, nftables.ChainPriorityMangle, accept,
			append([][]expr.Any{append(toSocket, deliverHere()...)}, goTo("relayed", kept)...)},
		{"forward", nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityFilter, nftables.ChainPolicyDrop,
			forwardRules(v4, v6)},
		{"masquerade", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource, accept,
			[][]expr.Any{append(matchLink(expr.MetaKeyOIFNAME, expr.CmpOpEq, tapName), &expr.Masq{})}},
	}
}

func goTo(chain string, destinations []netip.Prefix) (rules [][]expr.Any) {
	for _, p := range destinations {
		rules = append(rules, append(matchAddr(p, destination), &expr.Verdict{Kind: expr.VerdictGoto, Chain: chain}))
	}
	return rules
}

// forwardRules let out what comes from a Pod's address, and in what answers it.
func forwardRules(v4, v6 netip.Prefix) (rules [][]expr.Any) {
	accept := &expr.Verdict{Kind: expr.VerdictAccept}
	between := func(in, out string) []expr.Any {
		return append(matchLink(expr.MetaKeyIIFNAME, expr.CmpOpEq, in), matchLink(expr.MetaKeyOIFNAME, expr.CmpOpEq, out)...)
	}
	for _, p := range []netip.Prefix{v4, v6} {
		rules = append(rules, append(append(between(bridgeName, tapName), matchAddr(p, source)...), accept))
	}
	return append(rules, append(between(tapName, bridgeName),
		&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
		accept,
	))
}

// keptFromTap are the destinations that do not go to the tap device: what means something in the hub only, what is closed to Pods (the relay refuses
// it), and the tap's own network. ::/80 holds the loopback address, and those that stand for IPv4 ones (RFC 4291, 2.5.5): slirp4netns sends what is for ::ffff:127.0.0.1
// to the host's loopback, whatever it is told. What is for a link-local IPv6 address the kernel never passes to another link.
func (h *Hub) keptFromTap(own ...netip.Prefix) []netip.Prefix {
	services4, services6 := h.ServiceRanges()
	kept := []netip.Prefix{services4, services6, netip.PrefixFrom(HostLoopback6, 128)}
	for _, closed := range []string{"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "255.255.255.255/32", "::/80"} {
		kept = append(kept, netip.MustParsePrefix(closed))
	}
	for _, p := range own {
		kept = append(kept, p.Masked())
	}
	return kept
}

// forwarding makes the hub's kernel a router, or not.
func forwarding(on string) []sysctl {
	return []sysctl{{"ipv4/ip_forward", on}, {"ipv6/conf/all/forwarding", on}}
}

// sysctlsOfMasquerading are there once the rules are. The kernel does not translate what it finds invalid, and so would lose what the programs' own TCP says
// outside of the window it expects. The second is of Linux 5.14.
var sysctlsOfMasquerading = []sysctl{
	{"netfilter/nf_conntrack_tcp_be_liberal", "1"},
	{"netfilter/nf_conntrack_tcp_ignore_invalid_rst", "1"},
}

func tapRoute(index int32, via netip.Addr) *message {
	return newMessage("add default route by "+tapName, unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE,
		routeHeader(family(via), unix.RT_TABLE_MAIN, unix.RT_SCOPE_UNIVERSE, unix.RTN_UNICAST)...).
		attr(unix.RTA_GATEWAY, via.AsSlice()).
		attr32(unix.RTA_OIF, uint32(index))
}
