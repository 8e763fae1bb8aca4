package publish

import (
	"net/netip"
	"os"
	"strconv"
	"testing"

	"github.com/rootless-containers/rootlesskit/v3/pkg/port"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		spec    port.Spec
		network string
		at      string
	}{
		{port.Spec{Proto: "tcp", ParentPort: 8080, ChildPort: 80, ChildIP: "10.0.0.2"}, "tcp4", "0.0.0.0:8080"},
		{port.Spec{Proto: "udp6", ParentPort: 53, ChildPort: 53, ChildIP: "fd00::2"}, "udp6", "[::]:53"},
		{port.Spec{Proto: "tcp", ParentIP: "127.0.0.1", ParentPort: 1, ChildPort: 65535, ChildIP: "10.0.0.2"}, "tcp4", "127.0.0.1:1"},
		{port.Spec{Proto: "tcp6", ParentPort: 8080, ChildPort: 80, ChildIP: "10.0.0.2"}, "", ""},
		{port.Spec{Proto: "sctp", ParentPort: 8080, ChildPort: 80, ChildIP: "10.0.0.2"}, "", ""},
		{port.Spec{Proto: "tcp", ParentIP: "::1", ParentPort: 8080, ChildPort: 80, ChildIP: "10.0.0.2"}, "", ""},
		{port.Spec{Proto: "tcp", ParentPort: 0, ChildPort: 80, ChildIP: "10.0.0.2"}, "", ""},
		{port.Spec{Proto: "tcp", ParentPort: 8080, ChildPort: 65536, ChildIP: "10.0.0.2"}, "", ""},
		{port.Spec{Proto: "tcp", ParentPort: 8080, ChildPort: 80}, "", ""},
	} {
		network, at, _, err := parse(c.spec)
		if (err != nil) != (c.network == "") || network != c.network || err == nil && at.String() != c.at {
			t.Errorf("%+v: got %s %s %v, want %s %s", c.spec, network, at, err, c.network, c.at)
		}
	}
}

const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0000000000000000 100 0 0 10 0
   1: 076433C6:1F91 0100007F:ABCD 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0000000000000000 100 0 0 10 0
   2: 00000000:1F92 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0000000000000000 100 0 0 10 0
 broken
   3: ZZ:1 00000000:0000 0A 0 0 0 0 0 0
   4: 00000000000000000000000001000000:1F93 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4714 1
`

func TestFindSocket(t *testing.T) {
	for at, inode := range map[string]string{
		"127.0.0.1:8080": "4711", "0.0.0.0:8080": "4711", "127.0.0.2:8080": "", "198.51.100.7:8081": "", "192.0.2.1:8082": "4713",
		"[::1]:8083": "4714", "[::]:8083": "4714", "[::2]:8083": "",
	} {
		if s, ok := findSocket(table, netip.MustParseAddrPort(at)); ok != (inode != "") || s.inode != inode {
			t.Errorf("%s: got %q, want %q", at, s.inode, inode)
		}
	}
}

func FuzzFindSocket(f *testing.F) {
	f.Add(table)
	f.Fuzz(func(_ *testing.T, table string) { findSocket(table, netip.MustParseAddrPort("127.0.0.1:8080")) })
}

func TestFirstPort(t *testing.T) {
	first := FirstPort()
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start"); err == nil && string(text) != strconv.Itoa(first)+"\n" {
		t.Errorf("got %d, the kernel says %s", first, text)
	}
}
