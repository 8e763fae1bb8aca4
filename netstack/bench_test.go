package netstack

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkAttach tells the time of this process's threads too, as for the rest the kernel is waited for, and the memory that an attached Pod takes. The Pods are there before, as to make
// a namespace in a test is a fork, after which each page that is written to has to be copied.
func BenchmarkAttach(b *testing.B) {
	h := openHub(b, Config{})
	pods := make([]*testPod, b.N)
	for i := range pods {
		pods[i] = newTestPod(b)
	}
	memory := heap() // touches all pages
	before := processorTime(b)
	b.ResetTimer()
	for i, pod := range pods {
		id := fmt.Sprint("pod-", i)
		if _, err := h.Attach(pod.netns, Endpoint{ID: id, Name: id, Namespace: "default"}); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(heap()-memory)/float64(b.N), "B/pod")
	runtime.KeepAlive(h)
}

// processorTime is what this process has used of it (getrusage(2)).
func processorTime(b *testing.B) time.Duration {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
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
