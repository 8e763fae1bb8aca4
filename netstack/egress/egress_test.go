package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

type countedFlow struct{ aborted int }

func (f *countedFlow) Abort() { f.aborted++ }

func TestRegistry(t *testing.T) {
	r := NewRegistry(3, 2)
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	f := make([]*countedFlow, 4)
	for i := range f {
		f[i] = &countedFlow{}
	}
	if !r.Add(a, f[0]) || !r.Add(a, f[1]) || r.Add(a, f[2]) || !r.Add(b, f[2]) || r.Add(b, f[3]) {
		t.Error("limits are not kept")
	}
	r.Remove(a, f[0])
	r.Remove(a, f[0])
	if r.total != 2 || !r.Add(b, f[3]) {
		t.Errorf("removing made no room: %d flows", r.total)
	}
	r.Abort(b)
	if f[1].aborted != 0 || f[2].aborted != 1 || f[3].aborted != 1 {
		t.Errorf("aborted: %+v", f)
	}
	r.Remove(b, f[3])
	r.Close()
	if f[1].aborted != 1 || r.Add(a, &countedFlow{}) {
		t.Error("not closed")
	}
}

func TestLimitsFor(t *testing.T) {
	for _, files := range []uint64{256, 1024, 4096, 1 << 20, 1 << 63} {
		l := LimitsFor(files).withDefaults()
		if used := 2 * (l.TCP + l.UDP + l.ICMP); l.TCPPod < 1 || l.UDPPod < 1 || l.TCPPod >= l.TCP || l.UDPPod >= l.UDP || uint64(used) > files*7/8 {
			t.Errorf("%d files: %+v", files, l)
		}
	}
}

func TestOutcomeOf(t *testing.T) {
	dial := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)}
	}
	for _, test := range []struct {
		err  error
		want Outcome
	}{
		{nil, Connected},
		{dial(unix.ECONNREFUSED), Refused},
		{fmt.Errorf("127.0.0.1: %w", ErrRefused), Refused},
		{dial(unix.EHOSTUNREACH), HostUnreachable},
		{dial(unix.ENETUNREACH), NetUnreachable},
		{dial(unix.EACCES), Prohibited},
		{dial(unix.ETIMEDOUT), Silent},
		{dial(unix.EMFILE), Silent},
		{context.Canceled, Silent},
		{&net.OpError{Op: "dial", Err: context.DeadlineExceeded}, Silent},
		{errors.New("something else"), Silent},
	} {
		if got := OutcomeOf(test.err); got != test.want {
			t.Errorf("%v: %s, want %s", test.err, got, test.want)
		}
	}
}
