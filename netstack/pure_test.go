package netstack

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func TestDefaultRanges(t *testing.T) {
	for _, test := range []struct {
		name   string
		used   []netip.Prefix
		v4, v6 string
	}{
		{"nothing used", nil, "10.206.0.0/16", "fd70:6561:706f::/64"},
		{"default routes, also in halves", prefixes("0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "::/0", "2000::/3", "fc00::/7"), "10.206.0.0/16", "fd70:6561:706f::/64"},
		{"one address inside", prefixes("10.206.3.4/32", "fd70:6561:706f::1/128"), "10.207.0.0/16", "fd70:6561:706f:1::/64"},
		{"a wider route", prefixes("10.192.0.0/10"), "10.0.0.0/16", "fd70:6561:706f::/64"},
		{"all of 10/8, docker", prefixes("10.0.0.0/8", "172.17.0.0/16", "172.31.0.0/20"), "172.30.0.0/16", "fd70:6561:706f::/64"},
		{"all but home networks", prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.255.0/24"), "192.168.254.0/24", "fd70:6561:706f::/64"},
		{"all private space", prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"), "198.18.0.0/16", "fd70:6561:706f::/64"},
	} {
		v4, v6, err := DefaultRanges(test.used)
		if err != nil || v4.String() != test.v4 || v6.String() != test.v6 {
			t.Errorf("%s: got %s, %s, %v; want %s, %s", test.name, v4, v6, err, test.v4, test.v6)
		}
		if err := checkRanges(v4, v6); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	for _, used := range [][]netip.Prefix{
		prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15"),
		prefixes("fd70:6561::/32"),
	} {
		if v4, v6, err := DefaultRanges(used); err == nil {
			t.Errorf("%v: got %s, %s, want an error", used, v4, v6)
		}
	}
}

func TestCheckRanges(t *testing.T) {
	for _, test := range [][2]string{
		{"10.0.0.0/30", "fd00::/64"}, {"10.0.0.0/7", "fd00::/64"}, {"10.0.0.0/16", "fd00::/112"}, {"fd00::/64", "fd00::/64"},
		{"10.0.0.0/16", "10.0.0.0/16"},
	} {
		if err := checkRanges(netip.MustParsePrefix(test[0]), netip.MustParsePrefix(test[1])); err == nil {
			t.Errorf("%v: no error", test)
		}
	}
	if err := checkRanges(netip.Prefix{}, netip.Prefix{}); err == nil {
		t.Error("no ranges: no error")
	}
}

func addrs(v4, v6 string) Addrs {
	return Addrs{V4: netip.MustParseAddr(v4), V6: netip.MustParseAddr(v6)}
}

func TestPool(t *testing.T) {
	p := newPool(netip.MustParsePrefix("10.9.0.0/29"), netip.MustParsePrefix("fd09::/64"))
	if got := p.gateway(); got != addrs("10.9.0.1", "fd09::1") {
		t.Errorf("gateway %v", got)
	}
	want := func(id, v4, v6 string) {
		t.Helper()
		if got, err := p.allocate(id); err != nil || got != addrs(v4, v6) {
			t.Errorf("%s: got %v, %v; want %s, %s", id, got, err, v4, v6)
		}
	}
	want("a", "10.9.0.2", "fd09::2")
	want("a", "10.9.0.2", "fd09::2")
	want("b", "10.9.0.3", "fd09::3")
	p.release("a")
	p.release("a")
	want("c", "10.9.0.4", "fd09::4") // a's comes last in turn
	if err := p.reserve("d", addrs("10.9.0.5", "fd09::5")); err != nil {
		t.Error(err)
	}
	want("e", "10.9.0.6", "fd09::6")
	want("f", "10.9.0.2", "fd09::2")
	if got, err := p.allocate("g"); err == nil {
		t.Errorf("full, but got %v", got)
	}
	p.release("d")
	want("g", "10.9.0.5", "fd09::5")
}

func TestPoolRefuses(t *testing.T) {
	p := newPool(netip.MustParsePrefix("10.9.0.0/24"), netip.MustParsePrefix("fd09::/64"))
	if err := p.reserve("a", addrs("10.9.0.7", "fd09::8")); err != nil {
		t.Fatal("numbers need not be the same:", err)
	}
	for name, a := range map[string]Addrs{
		"no addresses":       {},
		"one family only":    {V4: netip.MustParseAddr("10.9.0.9")},
		"outside":            addrs("10.8.0.9", "fd09::9"),
		"outside IPv6":       addrs("10.9.0.9", "fd08::9"),
		"swapped":            {V4: netip.MustParseAddr("fd09::9"), V6: netip.MustParseAddr("10.9.0.9")},
		"gateway":            addrs("10.9.0.1", "fd09::9"),
		"another pod's IPv4": addrs("10.9.0.7", "fd09::9"),
		"another pod's IPv6": addrs("10.9.0.9", "fd09::8"),
	} {
		if err := p.reserve("b", a); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := p.reserve("a", addrs("10.9.0.8", "fd09::8")); err != nil {
		t.Error("change of own addresses:", err)
	}
	if err := p.reserve("b", addrs("10.9.0.7", "fd09::7")); err != nil {
		t.Error("address that the owner gave up:", err)
	}
}

func TestAlias(t *testing.T) {
	a := addrs("10.9.0.7", "fd09::7")
	if id, got, ok := parseAlias(aliasOf("b4b6f4c0-uid", a)); !ok || id != "b4b6f4c0-uid" || got != a {
		t.Errorf("got %q, %v, %t", id, got, ok)
	}
	for _, s := range []string{"", "peapod", "peapod x 1.2.3.4", "other x 1.2.3.4 ::1", "peapod x ::1 1.2.3.4", "peapod x y z", "peapod x 1.2.3.4 ::1 more"} {
		if id, got, ok := parseAlias(s); ok {
			t.Errorf("%q: got %q, %v", s, id, got)
		}
	}
}

func TestLinkName(t *testing.T) {
	seen := map[string]bool{}
	for _, id := range []string{"", "a", "b", strings.Repeat("x", 128)} {
		name := linkName(id)
		if len(name) >= unix.IFNAMSIZ || seen[name] {
			t.Errorf("%.10s: bad or repeated name %s", id, name)
		}
		seen[name] = true
	}
}

func TestRefuse(t *testing.T) {
	inside := prefixes("10.206.0.0/16", "fd70::/64")
	for _, a := range []string{
		"127.0.0.1", "127.255.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "0.1.2.3", "::", "169.254.169.254", "::ffff:169.254.169.254",
		"fe80::1", "224.0.0.251", "ff02::fb", "ff05::2", "255.255.255.255", "10.206.0.1", "::ffff:10.206.0.1", "fd70::1",
	} {
		if err := refuse(netip.MustParseAddr(a), inside...); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", a, err)
		}
	}
	if err := refuse(netip.Addr{}); !errors.Is(err, ErrRefused) {
		t.Errorf("no address: %v", err)
	}
	for _, a := range []string{"192.0.2.1", "10.0.0.1", "192.168.1.1", "2001:db8::1", "fd00::1", "::ffff:192.0.2.1"} {
		if err := refuse(netip.MustParseAddr(a), inside...); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
}

func TestExplainNft(t *testing.T) {
	for _, test := range []struct {
		err        error
		haveTables bool
		names      string
		lacking    bool
	}{
		{unix.ENOENT, true, "CONFIG_NFT_TPROXY", true},
		{unix.EOPNOTSUPP, false, "CONFIG_NF_TABLES", true},
		{unix.EPROTONOSUPPORT, false, "CONFIG_NF_TABLES", true},
		{unix.EPERM, true, "operation not permitted", false},
	} {
		err := explainNft(test.err, test.haveTables)
		if !strings.Contains(err.Error(), test.names) || errors.Is(err, errors.ErrUnsupported) != test.lacking {
			t.Errorf("%v, %t: %v", test.err, test.haveTables, err)
		}
	}
}

// TestNetlinkErrorsTellWhat sends good and bad messages in one batch.
func TestNetlinkErrorsTellWhat(t *testing.T) {
	netns := newNetns(t)
	th, err := startThread(netns)
	if err != nil {
		t.Fatal(err)
	}
	defer th.close()
	var c *rtnl
	if err := th.do(func() (err error) { c, err = openRtnl(); return err }); err != nil {
		t.Fatal(err)
	}
	defer c.close()
	err = c.do(linkUp(loopbackIndex), linkUp(99), delLink("absent"), setAlias("absent", "x"))
	if !errors.Is(err, unix.ENODEV) || strings.Count(err.Error(), "\n") != 1 ||
		!strings.Contains(err.Error(), "bring up link") || !strings.Contains(err.Error(), "name veth") {
		t.Errorf("two of four should have failed: %v", err)
	}
	if l, err := c.link("lo"); err != nil || l.index != loopbackIndex {
		t.Errorf("lo: %v, %v", l, err)
	}
	if _, err := c.link("absent"); !errors.Is(err, unix.ENODEV) {
		t.Errorf("absent link: %v", err)
	}
}
