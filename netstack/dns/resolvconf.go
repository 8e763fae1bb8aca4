package dns

import (
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"
)

// maxServers is how many name servers the C library takes: MAXNS of resolv.conf(5).
const maxServers = 3

// A ResolvConf is what this package uses of a resolv.conf(5).
type ResolvConf struct {
	Servers []netip.Addr // in order; IPv6 ones may have a zone
	Search  []string     // search domains, of the last search or domain line
}

// ParseResolvConf reads a resolv.conf. As the C library does, it passes over what it does not understand.
func ParseResolvConf(text []byte) ResolvConf {
	var c ResolvConf
	for line := range strings.Lines(string(text)) {
		if i := strings.IndexAny(line, "#;"); i >= 0 {
			line = line[:i]
		}
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		switch words[0] {
		case "nameserver":
			if a, err := netip.ParseAddr(words[1]); err == nil && len(c.Servers) < maxServers {
				c.Servers = append(c.Servers, a)
			}
		case "domain":
			c.Search = words[1:2]
		case "search":
			c.Search = words[1:]
		}
	}
	return c
}

// A resolvFile is a resolv.conf that is read again when it has changed.
type resolvFile struct {
	path string

	mu      sync.Mutex
	seen    os.FileInfo // nil before the first reading
	content ResolvConf
}

// servers returns the present name servers; none if the file cannot be read.
func (f *resolvFile) servers() ([]netip.Addr, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now, err := os.Stat(f.path)
	if err != nil {
		f.seen = nil
		return nil, err
	}
	if f.seen != nil && os.SameFile(now, f.seen) && now.ModTime().Equal(f.seen.ModTime()) && now.Size() == f.seen.Size() &&
		time.Since(now.ModTime()) > settleTime {
		return f.content.Servers, nil
	}
	text, err := os.ReadFile(f.path)
	if err != nil {
		f.seen = nil
		return nil, err
	}
	f.seen, f.content = now, ParseResolvConf(text)
	return f.content.Servers, nil
}

// settleTime is for how long after a change the file is read for every query: two writes within one tick of the file
// system's clock leave the same time.
const settleTime = time.Second
