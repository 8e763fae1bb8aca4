package publish

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// holderOf says who has a port of the host, as far as this process may know: the kernel's table has the socket's inode and its user,
// and a process shows its sockets to whoever may trace it. From a user namespace those are the processes in it: containers that use
// the host's network are found, other programs of the user are not.
func holderOf(network string, at netip.AddrPort) string {
	name := network[:3]
	if at.Addr().Is6() {
		name += "6"
	}
	table, err := os.ReadFile("/proc/thread-self/net/" + name) // of this thread: /proc/net shows the first thread's namespace
	if err != nil {
		return ""
	}
	s, ok := findSocket(string(table), at)
	if !ok {
		return ""
	}
	if pid := processWith(s.inode); pid != "" {
		comm, _ := os.ReadFile("/proc/" + pid + "/comm")
		return fmt.Sprintf("process %s (%s)", pid, strings.TrimSpace(string(comm)))
	}
	if s.uid == strconv.Itoa(unix.Geteuid()) {
		return "another program of yours"
	}
	return "another user's program"
}

type socket struct{ uid, inode string }

// findSocket looks through a table of proc_net(5) for a socket without a peer that is in the way.
func findSocket(table string, at netip.AddrPort) (socket, bool) {
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		const local, remote, uid, inode = 1, 2, 7, 9
		if len(fields) <= inode || !strings.HasSuffix(fields[remote], ":0000") {
			continue
		}
		if have, ok := parseAddress(fields[local]); ok && have.Port() == at.Port() && overlap(have.Addr(), at.Addr()) {
			return socket{fields[uid], fields[inode]}, true
		}
	}
	return socket{}, false
}

// parseAddress reads 0100007F:1F90: words of 32 bits in the machine's order, then the port.
func parseAddress(s string) (netip.AddrPort, bool) {
	address, number, ok := strings.Cut(s, ":")
	port, err := strconv.ParseUint(number, 16, 16)
	b, bad := hex.DecodeString(address)
	if !ok || err != nil || bad != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for word := range slices.Chunk(b, 4) {
		slices.Reverse(word) // both architectures are little-endian
	}
	a, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a, uint16(port)), ok
}

// processWith returns the id of a process that shows a socket among its descriptors.
func processWith(inode string) string {
	if inode == "0" {
		return ""
	}
	descriptors, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, path := range descriptors {
		if target, err := os.Readlink(path); err == nil && target == "socket:["+inode+"]" {
			return strings.Split(path, "/")[2]
		}
	}
	return ""
}
