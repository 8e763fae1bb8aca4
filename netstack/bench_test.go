package netstack

import (
	"fmt"
	"testing"
)

func BenchmarkAttach(b *testing.B) {
	h := openHub(b, Config{})
	for i := range b.N {
		b.StopTimer()
		pod := newTestPod(b)
		id := fmt.Sprint("pod-", i)
		b.StartTimer()
		if _, err := h.Attach(pod.netns, Endpoint{ID: id, Name: id, Namespace: "default"}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDetach(b *testing.B) {
	h := openHub(b, Config{})
	for i := range b.N {
		b.StopTimer()
		pod := newTestPod(b)
		id := fmt.Sprint("pod-", i)
		if _, err := h.Attach(pod.netns, Endpoint{ID: id, Name: id, Namespace: "default"}); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if err := h.Detach(id); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenAndClose(b *testing.B) {
	netns := newNetns(b)
	for range b.N {
		h, err := Open(Config{Netns: netns, ResolvConf: "/dev/null"})
		if err != nil {
			b.Fatal(err)
		}
		if err := h.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
