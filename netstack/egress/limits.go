package egress

import (
	"cmp"
	"time"
)

// Limits are numbers of flows. Zero fields get defaults.
type Limits struct {
	TCP, UDP, ICMP          int           // flows in all
	TCPPod, UDPPod, ICMPPod int           // flows of one source address
	DialPod                 int           // connections of one source address that wait for their destination's answer
	UDPIdle                 time.Duration // after which a silent UDP flow ends
	ICMPIdle                time.Duration // and one of echo requests
}

// LimitsFor divides the process's limit of open files, of which a flow holds two at most: half for TCP flows, a quarter for UDP
// flows, the rest for others.
func LimitsFor(openFiles uint64) Limits {
	files := int(min(openFiles, 1<<17))
	tcp, udp, icmp := files/4, files/8, files/32
	return Limits{TCP: tcp, UDP: udp, ICMP: icmp, TCPPod: tcp / 2, UDPPod: udp / 4, ICMPPod: max(icmp/4, 1)}
}

// withDefaults uses what is sensible for 4096 open files. Two minutes is the least that RFC 4787 (REQ-5) allows for UDP, one
// minute the least of RFC 5508 (REQ-1) for ICMP queries.
func (l Limits) withDefaults() Limits {
	d := LimitsFor(4096)
	l = Limits{
		TCP: cmp.Or(l.TCP, d.TCP), UDP: cmp.Or(l.UDP, d.UDP), ICMP: cmp.Or(l.ICMP, d.ICMP),
		TCPPod: cmp.Or(l.TCPPod, d.TCPPod), UDPPod: cmp.Or(l.UDPPod, d.UDPPod), ICMPPod: cmp.Or(l.ICMPPod, d.ICMPPod),
		DialPod: l.DialPod,
		UDPIdle: cmp.Or(l.UDPIdle, 2*time.Minute), ICMPIdle: cmp.Or(l.ICMPIdle, time.Minute),
	}
	// As many as a browser or a scraper has at once, and few enough that a scan of silent addresses does not take all.
	l.DialPod = cmp.Or(l.DialPod, min(l.TCPPod/2, 512))
	return l
}
