package netstack

import (
	"io"
	"net"
	"testing"
	"time"
)

// TestBandwidth sends more than a bucket each way. It takes at least as long as the limits say; how much longer is not looked at.
func TestBandwidth(t *testing.T) {
	h := openHub(t, Config{})
	pod := newTestPod(t)
	const rate, size = 8 << 20, 2 << 20 // bits per second, bytes
	addrs, err := h.Attach(pod.netns, Endpoint{ID: "slow", Name: "slow", Namespace: "default", Bandwidth: Bandwidth{ToPod: rate, FromPod: rate}})
	if err != nil {
		t.Fatal(err)
	}
	pod.addrs = addrs
	burst, _ := bucketOf(rate / 8)
	least := time.Duration(size-burst) * time.Second / (rate / 8)
	for name, send := range map[string]bool{"from the pod": true, "to the pod": false} {
		t.Run(name, func(t *testing.T) {
			l, at := listenTCP(t, nil, hostV4)
			served := make(chan error, 1)
			move := func(c net.Conn, send bool) (err error) {
				if send {
					_, err = c.Write(make([]byte, size))
				} else {
					_, err = io.CopyN(io.Discard, c, size)
				}
				return err
			}
			go func() {
				c, err := l.Accept()
				if err == nil {
					defer c.Close()
					err = move(c, !send)
				}
				served <- err
			}()
			began := time.Now()
			c := pod.dial(t, "tcp", at)
			defer c.Close()
			if err := move(c, send); err != nil {
				t.Fatal(err)
			}
			if err := <-served; err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took < least {
				t.Errorf("%d bytes took %v, which is less than %v", size, took, least)
			}
		})
	}
}

func TestBucket(t *testing.T) {
	for rate, want := range map[uint64][2]uint32{
		125: {2 * linkMTU, 6 * linkMTU}, 125e6: {2.5e6, 2.5e6 + 6.25e6}, 125e12: {1 << 30, 1 << 30},
	} {
		if burst, limit := bucketOf(rate); burst != want[0] || limit != want[1] {
			t.Errorf("%d bytes per second: burst %d, limit %d; want %d", rate, burst, limit, want)
		}
	}
}
