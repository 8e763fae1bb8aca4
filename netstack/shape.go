package netstack

import (
	"encoding/binary"
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// Bandwidth are the most bits per second that go to a Pod and that come from it; 0 is no limit. Each limit is a token bucket (tc-tbf(8)) at the end of
// the veth where the bytes set out: the hub's for those to the Pod, the Pod's own for those from it. Who has power over the Pod's network could
// take that one off, and only a manifest gives such power.
type Bandwidth struct{ ToPod, FromPod uint64 }

const (
	tbfParms  = 1 // TCA_TBF_* of linux/pkt_sched.h
	tbfRate64 = 4
	tbfBurst  = 6

	rootHandle = math.MaxUint32 // TC_H_ROOT
	ownHandle  = 1 << 16

	linkLayerEthernet = 1 // TC_LINKLAYER_ETHERNET: lengths are what they are, and no table of them is wanted
)

// The bucket holds what the rate gives in a fiftieth of a second, and two of the largest packets at least. What has to wait longer than a
// twentieth is dropped.
func bucketOf(bytesPerSecond uint64) (burst, limit uint32) {
	bounded := func(n uint64) uint32 { return uint32(min(n, 1<<30)) }
	burst = bounded(max(bytesPerSecond/50, 2*linkMTU))
	return burst, bounded(uint64(burst) + max(bytesPerSecond/20, 4*linkMTU))
}

// shape limits what a link sends.
func shape(index int32, bitsPerSecond uint64) *message {
	rate := bitsPerSecond / 8
	burst, limit := bucketOf(rate)
	ratespec := func(bytesPerSecond uint64) []byte { // struct tc_ratespec
		b := []byte{0, linkLayerEthernet, 0, 0, 0, 0, 0, 0}
		return binary.NativeEndian.AppendUint32(b, uint32(min(bytesPerSecond, math.MaxUint32)))
	}
	parms := append(ratespec(rate), make([]byte, len(ratespec(0)))...) // struct tc_tbf_qopt: no peak rate
	parms = binary.NativeEndian.AppendUint32(parms, limit)
	parms = append(parms, make([]byte, 8)...) // the bucket in ticks, for which there is its own attribute, and the peak's
	return newMessage(fmt.Sprintf("limit the bandwidth to %d bit/s", bitsPerSecond), unix.RTM_NEWQDISC, unix.NLM_F_CREATE|unix.NLM_F_REPLACE,
		uint32(unix.AF_UNSPEC), index, uint32(ownHandle), uint32(rootHandle), uint32(0)).
		attrString(unix.TCA_KIND, "tbf").
		nest(unix.TCA_OPTIONS, func(options *message) {
			options.attr(tbfParms, parms).attr(tbfRate64, binary.NativeEndian.AppendUint64(nil, rate)).attr32(tbfBurst, burst)
		})
}

// shapePod applies an endpoint's limits to both ends of its veth.
func (h *Hub) shapePod(pod *rtnl, e Endpoint) error {
	for _, end := range []struct {
		links *rtnl
		name  string
		bits  uint64
	}{{h.links, linkName(e.ID), e.Bandwidth.ToPod}, {pod, podLink, e.Bandwidth.FromPod}} {
		if end.bits == 0 {
			continue
		}
		link, err := end.links.link(end.name)
		if err == nil {
			err = end.links.do(shape(link.index, end.bits))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
