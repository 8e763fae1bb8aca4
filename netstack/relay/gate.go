package relay

import "sync/atomic"

// A gate lets one thread at a time work on a flow and loses no event: who comes while somebody is inside leaves his bits there.
// So whatever belongs to a flow needs no lock, and its descriptors are closed by nobody else while they are in use.
type gate struct{ bits atomic.Uint32 }

// inside is the bit that the gate itself uses.
const inside = 1 << 31

// enter calls work with the bits, and with those that others leave meanwhile, unless somebody is inside already.
func (g *gate) enter(bits uint32, work func(bits uint32)) {
	if g.bits.Or(bits|inside)&inside != 0 {
		return
	}
	for {
		work(g.bits.Swap(inside) &^ inside)
		if g.bits.CompareAndSwap(inside, 0) {
			return
		}
	}
}
