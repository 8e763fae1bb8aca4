package netstack

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	bridgeName = "peapod0"
	podLink    = "eth0"

	// linkMTU is the largest IPv4 packet (65535) rounded down to what keeps segments aligned.
	linkMTU = 65520

	// egressMark and egressTable connect the engine's packet mark with the route that makes every destination local. Both
	// mean something only inside the hub.
	egressMark  = 1
	egressTable = 1

	loopbackIndex = 1 // of lo in every network namespace: LOOPBACK_IFINDEX in the kernel

	vethInfoPeer  = 1 // VETH_INFO_PEER of linux/veth.h
	fraFwmark     = 10
	fraTable      = 15 // FRA_* of linux/fib_rules.h
	fraSrc        = 2
	fraIifname    = 3
	fraIPProto    = 22
	fraSportRange = 23
	frActToTable  = 1

	operUp = 6 // IF_OPER_UP of linux/if.h

	createNew = unix.NLM_F_CREATE | unix.NLM_F_EXCL
)

// linkHeader is struct ifinfomsg of rtnetlink(7). up is a wish about IFF_UP only.
func linkHeader(index int32, up bool) []any {
	var flags uint32
	if up {
		flags = unix.IFF_UP
	}
	return []any{uint8(unix.AF_UNSPEC), uint8(0), uint16(0), index, flags, flags}
}

func family(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// newBridge makes a bridge that neither learns multicast groups nor waits before forwarding. A fixed MAC keeps it from
// taking over the smallest of its ports', which would change under the Pods' neighbour tables.
func newBridge(gateway netip.Addr) *message {
	return newMessage("create bridge", unix.RTM_NEWLINK, createNew, linkHeader(0, true)...).
		accept(unix.EEXIST).
		attrString(unix.IFLA_IFNAME, bridgeName).
		attr32(unix.IFLA_MTU, linkMTU).
		attr(unix.IFLA_ADDRESS, hardwareAddr(gateway)).
		nest(unix.IFLA_LINKINFO, func(info *message) {
			info.attrString(unix.IFLA_INFO_KIND, "bridge").nest(unix.IFLA_INFO_DATA, func(data *message) {
				data.attr32(unix.IFLA_BR_FORWARD_DELAY, 0).attr8(unix.IFLA_BR_MCAST_SNOOPING, 0)
			})
		})
}

// newVeth makes both ends at once: ours as a port of the bridge, up; the Pod's directly in its namespace, still down, as the
// kernel (veth_newlink) cannot bring it up before it has tied the two together.
func newVeth(name string, bridge int32, podNetns int, mac []byte) *message {
	return newMessage("create veth", unix.RTM_NEWLINK, createNew, linkHeader(0, true)...).
		attrString(unix.IFLA_IFNAME, name).
		attr32(unix.IFLA_MTU, linkMTU).
		attr32(unix.IFLA_MASTER, uint32(bridge)).
		nest(unix.IFLA_LINKINFO, func(info *message) {
			info.attrString(unix.IFLA_INFO_KIND, "veth").nest(unix.IFLA_INFO_DATA, func(data *message) {
				data.nest(vethInfoPeer, func(peer *message) {
					peer.body = newMessage("", 0, 0, linkHeader(0, false)...).body
					peer.attrString(unix.IFLA_IFNAME, podLink).
						attr32(unix.IFLA_MTU, linkMTU).
						attr(unix.IFLA_ADDRESS, mac).
						attr32(unix.IFLA_NET_NS_FD, uint32(podNetns))
				})
			})
		})
}

func setAlias(name, alias string) *message {
	return newMessage("name veth", unix.RTM_SETLINK, 0, linkHeader(0, false)...).
		attrString(unix.IFLA_IFNAME, name).
		attr(unix.IFLA_IFALIAS, []byte(alias))
}

func delLink(name string) *message {
	return newMessage("delete link "+name, unix.RTM_DELLINK, 0, linkHeader(0, false)...).
		accept(unix.ENODEV).
		attrString(unix.IFLA_IFNAME, name)
}

func linkUp(index int32) *message {
	return newMessage("bring up link", unix.RTM_SETLINK, 0, linkHeader(index, true)...)
}

func setMTU(index int32, mtu uint32) *message {
	return newMessage("set MTU of link", unix.RTM_SETLINK, 0, linkHeader(index, false)...).attr32(unix.IFLA_MTU, mtu)
}

// newAddress gives a link an address with its range. No duplicate address detection: nobody else hands out
// addresses here, and detection would keep the address unusable for a second or more.
func newAddress(index int32, p netip.Prefix) *message {
	return newMessage("add address "+p.String(), unix.RTM_NEWADDR, createNew,
		family(p.Addr()), uint8(p.Bits()), uint8(unix.IFA_F_NODAD), uint8(unix.RT_SCOPE_UNIVERSE), index).
		accept(unix.EEXIST).
		attr(unix.IFA_LOCAL, p.Addr().AsSlice()).
		attr(unix.IFA_ADDRESS, p.Addr().AsSlice())
}

// routeHeader is struct rtmsg of rtnetlink(7) for a route to everywhere.
func routeHeader(family, table, scope, kind uint8) []any {
	return []any{family, uint8(0), uint8(0), uint8(0), table, uint8(unix.RTPROT_STATIC), scope, kind, uint32(0)}
}

func defaultRoute(index int32, via netip.Addr) *message {
	return newMessage("add default route", unix.RTM_NEWROUTE, createNew,
		routeHeader(family(via), unix.RT_TABLE_MAIN, unix.RT_SCOPE_UNIVERSE, unix.RTN_UNICAST)...).
		accept(unix.EEXIST).
		attr(unix.RTA_GATEWAY, via.AsSlice()).
		attr32(unix.RTA_OIF, uint32(index))
}

// deliverLocally makes every packet that carries the egress mark one for this machine, whatever its destination: a rule that
// sends it to a table, and in the table a route of type local.
func deliverLocally(family uint8) []*message {
	return []*message{
		newMessage("add egress route", unix.RTM_NEWROUTE, createNew,
			routeHeader(family, egressTable, unix.RT_SCOPE_HOST, unix.RTN_LOCAL)...).
			accept(unix.EEXIST).
			attr32(unix.RTA_OIF, loopbackIndex),
		newMessage("add egress rule", unix.RTM_NEWRULE, createNew,
			family, uint8(0), uint8(0), uint8(0), uint8(egressTable), uint8(0), uint8(0), uint8(frActToTable), uint32(0)).
			accept(unix.EEXIST).
			attr32(fraFwmark, egressMark).
			attr32(fraTable, egressTable),
	}
}

// blackhole is a default route to nowhere. Without it the kernel would tell Pods that it has no route, at least in IPv6 and where it
// forwards. Among several routes that of the smallest metric is taken; 0 is the kernel's default.
func blackhole(family uint8, metric uint32) *message {
	return newMessage("add route to nowhere", unix.RTM_NEWROUTE, createNew,
		routeHeader(family, unix.RT_TABLE_MAIN, unix.RT_SCOPE_UNIVERSE, unix.RTN_BLACKHOLE)...).
		accept(unix.EEXIST).
		attr32(unix.RTA_PRIORITY, metric)
}

func deleteBlackhole(family uint8) *message {
	return newMessage("delete route to nowhere", unix.RTM_DELROUTE, 0,
		routeHeader(family, unix.RT_TABLE_MAIN, unix.RT_SCOPE_UNIVERSE, unix.RTN_BLACKHOLE)...).
		accept(unix.ESRCH)
}

// answerRule makes what a Pod sends from one port one for this machine, whatever its destination: FRA_IP_PROTO and FRA_SPORT_RANGE are of Linux 4.17.
func answerRule(protocol uint8, from netip.AddrPort) *message {
	return fromPort(ruleFromBridge("add rule for answers", unix.RTM_NEWRULE, createNew, family(from.Addr()), uint8(from.Addr().BitLen())), protocol, from).
		accept(unix.EEXIST)
}

func deleteAnswerRule(protocol uint8, from netip.AddrPort) *message {
	return fromPort(ruleFromBridge("delete rule for answers", unix.RTM_DELRULE, 0, family(from.Addr()), uint8(from.Addr().BitLen())), protocol, from).
		accept(unix.ENOENT)
}

func fromPort(m *message, protocol uint8, from netip.AddrPort) *message {
	ports := binary.NativeEndian.AppendUint16(binary.NativeEndian.AppendUint16(nil, from.Port()), from.Port())
	return m.attr(fraSrc, from.Addr().AsSlice()).attr8(fraIPProto, protocol).attr(fraSportRange, ports)
}

// deleteAnyAnswerRule deletes one answer rule of a family; ENOENT says that there is none.
func deleteAnyAnswerRule(family uint8) *message {
	return ruleFromBridge("delete rule for answers", unix.RTM_DELRULE, 0, family, 0)
}

func ruleFromBridge(what string, kind, flags uint16, family, sourceBits uint8) *message {
	return newMessage(what, kind, flags,
		family, uint8(0), sourceBits, uint8(0), uint8(egressTable), uint8(0), uint8(0), uint8(frActToTable), uint32(0)).
		attrString(fraIifname, bridgeName).
		attr32(fraTable, egressTable)
}

// A link is what peapod reads back of a network device.
type link struct {
	index  int32
	master int32
	name   string
	alias  string
	up     bool // carries packets
}

func parseLink(m syscall.NetlinkMessage) (link, bool) {
	if m.Header.Type != unix.RTM_NEWLINK || len(m.Data) < unix.SizeofIfInfomsg {
		return link{}, false
	}
	attrs := attributes(m.Data[unix.SizeofIfInfomsg:])
	l := link{
		index: int32(binary.NativeEndian.Uint32(m.Data[4:])),
		name:  cString(attrs[unix.IFLA_IFNAME]),
		alias: cString(attrs[unix.IFLA_IFALIAS]),
	}
	if state := attrs[unix.IFLA_OPERSTATE]; len(state) == 1 {
		l.up = state[0] == operUp
	}
	if master := attrs[unix.IFLA_MASTER]; len(master) == 4 {
		l.master = int32(binary.NativeEndian.Uint32(master))
	}
	return l, true
}

func cString(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

func (c *rtnl) links() ([]link, error) {
	answers, err := c.ask(newMessage("list links", unix.RTM_GETLINK, unix.NLM_F_DUMP, linkHeader(0, false)...))
	if err != nil {
		return nil, err
	}
	var all []link
	for _, answer := range answers {
		if l, ok := parseLink(answer); ok {
			all = append(all, l)
		}
	}
	return all, nil
}

func (c *rtnl) link(name string) (link, error) {
	answers, err := c.ask(newMessage("find link "+name, unix.RTM_GETLINK, 0, linkHeader(0, false)...).
		attrString(unix.IFLA_IFNAME, name))
	if err != nil {
		return link{}, err
	}
	for _, answer := range answers {
		if l, ok := parseLink(answer); ok {
			return l, nil
		}
	}
	return link{}, fmt.Errorf("find link %s: no answer", name)
}

// addresses lists the addresses of a link that are not link-local, each with the length of its range.
func (c *rtnl) addresses(index int32) ([]netip.Prefix, error) {
	answers, err := c.ask(newMessage("list addresses", unix.RTM_GETADDR, unix.NLM_F_DUMP,
		uint8(unix.AF_UNSPEC), uint8(0), uint8(0), uint8(0), int32(0)))
	if err != nil {
		return nil, err
	}
	var found []netip.Prefix
	for _, answer := range answers {
		b := answer.Data
		if answer.Header.Type != unix.RTM_NEWADDR || len(b) < unix.SizeofIfAddrmsg ||
			int32(binary.NativeEndian.Uint32(b[4:])) != index {
			continue
		}
		if a, ok := netip.AddrFromSlice(attributes(b[unix.SizeofIfAddrmsg:])[unix.IFA_ADDRESS]); ok && !a.IsLinkLocalUnicast() {
			found = append(found, netip.PrefixFrom(a, int(b[1])))
		}
	}
	return found, nil
}

// routes lists the destinations of all routes, in all tables; the tables of the machine's own addresses are among them.
func (c *rtnl) routes() ([]netip.Prefix, error) {
	answers, err := c.ask(newMessage("list routes", unix.RTM_GETROUTE, unix.NLM_F_DUMP, routeHeader(unix.AF_UNSPEC, 0, 0, 0)...))
	if err != nil {
		return nil, err
	}
	var found []netip.Prefix
	for _, answer := range answers {
		b := answer.Data
		if answer.Header.Type != unix.RTM_NEWROUTE || len(b) < unix.SizeofRtMsg {
			continue
		}
		if a, ok := netip.AddrFromSlice(attributes(b[unix.SizeofRtMsg:])[unix.RTA_DST]); ok {
			found = append(found, netip.PrefixFrom(a, int(b[1])))
		}
	}
	return found, nil
}

// routeKind is the type (RTN_LOCAL and so on) of the route that the kernel would take to an IPv6 address.
func (c *rtnl) routeKind(to netip.Addr) (uint8, error) {
	answers, err := c.ask(newMessage("find route to "+to.String(), unix.RTM_GETROUTE, 0,
		uint8(unix.AF_INET6), uint8(128), uint8(0), uint8(0), uint8(0), uint8(0), uint8(0), uint8(0), uint32(0)).
		attr(unix.RTA_DST, to.AsSlice()))
	if err != nil {
		return 0, err
	}
	const rtmType = 7 // its offset in struct rtmsg
	for _, answer := range answers {
		if answer.Header.Type == unix.RTM_NEWROUTE && len(answer.Data) > rtmType {
			return answer.Data[rtmType], nil
		}
	}
	return 0, fmt.Errorf("find route to %s: no answer", to)
}
