package netstack

import (
	"net"
	"net/netip"
	"runtime"
	"testing"
)

// BenchmarkIdleConnections measures what an engine keeps for a connection on which nothing moves. What the test itself keeps for the two ends
// is measured before, with connections that need no engine.
func BenchmarkIdleConnections(b *testing.B) {
	const number = 1000
	to := serveSilence(b)
	own := memoryOf(b, number, func() (net.Conn, error) { return net.Dial("tcp", to.String()) })
	for _, kind := range ownEngines() {
		b.Run(kind.name, func(b *testing.B) {
			pod := attachPod(b, openHub(b, Config{Engine: kind.name}), "client")
			for range b.N {
				b.ReportMetric(memoryOf(b, number, func() (net.Conn, error) { return pod.tryDial("tcp", to) })-own, "B/connection")
			}
		})
	}
}

// serveSilence accepts connections and leaves them alone.
func serveSilence(b *testing.B) netip.AddrPort {
	l, to := listenTCP(b, nil, hostV4)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b.Cleanup(func() { c.Close() })
		}
	}()
	return to
}

func memoryOf(b *testing.B, number int, dial func() (net.Conn, error)) float64 {
	before := memoryInUse()
	for range number {
		c, err := dial()
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { c.Close() })
	}
	return float64(memoryInUse()-before) / float64(number)
}

func memoryInUse() uint64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
