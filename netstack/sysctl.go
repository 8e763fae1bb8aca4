package netstack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// A sysctl is a file below /proc/sys/net, which shows the network namespace of the thread that opens it.
type sysctl struct {
	path, value string
}

var (
	// The bridge is to have IPv6 but must not listen to router advertisements: any Pod could send some. Nor is it to look for others with its link-local
	// address: for two seconds it could not ask for neighbours, and what the hub sends to Pods with another's address (published ports) would be lost.
	sysctlsBeforeBridge = []sysctl{
		{"ipv6/conf/default/accept_dad", "0"},
		{"ipv6/conf/default/disable_ipv6", "0"},
		{"ipv6/conf/default/accept_ra", "0"},
		{"ipv6/conf/default/accept_redirects", "0"},
	}
	// The ports of the bridge need no addresses. Frames that the bridge switches must not pass the IP hooks, or tproxy would
	// take them in the middle of the bridge; these three exist only where br_netfilter is loaded, and then default to 1.
	sysctlsAfterBridge = []sysctl{
		{"ipv6/conf/default/disable_ipv6", "1"},
		{"bridge/bridge-nf-call-iptables", "0"},
		{"bridge/bridge-nf-call-ip6tables", "0"},
		{"bridge/bridge-nf-call-arptables", "0"},
	}
	sysctlsOfPod = []sysctl{
		{"ipv6/conf/default/accept_ra", "0"},
	}
)

// setSysctls returns a function for a thread in the namespace. What does not exist is passed over, and so is what has the value.
func setSysctls(wanted []sysctl) func() error {
	return func() error {
		for _, s := range wanted {
			if err := s.set(); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("set sysctl: %w", err)
			}
		}
		return nil
	}
}

// set writes only what differs, for the sake of a /proc that is mounted read-only.
func (s sysctl) set() error {
	path := "/proc/sys/net/" + s.path
	now, err := os.ReadFile(path)
	if err != nil || strings.TrimSpace(string(now)) == s.value {
		return err
	}
	return os.WriteFile(path, []byte(s.value), 0)
}
