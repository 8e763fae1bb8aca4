package node

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/container"
	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/state"
)

// podNetwork is what the files of a Pod say about its network.
type podNetwork struct {
	IPs       []netip.Addr // of the Pod
	Resolvers []netip.Addr // the gateway's addresses, where the node answers DNS
	Search    []string     // domains of Pod names
	Host      string       // the host's /etc/resolv.conf
	Hosts     string       // the host's /etc/hosts, if its network is the Pod's
}

// podFilesFor are the places of what a Pod's containers share.
func podFilesFor(paths state.Paths, pod *corev1.Pod) container.Files {
	f := container.Files{
		Hosts: paths.PodHosts(pod.UID), Hostname: paths.PodHostname(pod.UID), ResolvConf: paths.PodResolvConf(pod.UID), Shm: paths.PodShm(pod.UID),
	}
	if pod.Spec.HostIPC {
		f.Shm = "/dev/shm"
		if info, err := os.Stat("/dev/mqueue"); err == nil && info.IsDir() {
			f.Mqueue = "/dev/mqueue"
		}
	}
	return f
}

// writePodFiles writes what every container of the Pod finds in /etc.
func writePodFiles(paths state.Paths, pod *corev1.Pod, names kube.Names, n podNetwork, single bool) error {
	files := map[string]string{
		paths.PodHosts(pod.UID):      hostsFile(pod, names, n),
		paths.PodHostname(pod.UID):   names.Kernel + "\n",
		paths.PodResolvConf(pod.UID): resolvConf(pod, n),
	}
	if single {
		files[paths.PodApt(pod.UID)] = container.AptSettings
	}
	for path, content := range files {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// hostsFile is /etc/hosts as the kubelet writes it.
func hostsFile(pod *corev1.Pod, names kube.Names, n podNetwork) string {
	if pod.Spec.HostNetwork {
		return "# Kubernetes-managed hosts file (host network).\n" + n.Hosts + hostAliases(pod.Spec.HostAliases)
	}
	var s strings.Builder
	s.WriteString("# Kubernetes-managed hosts file.\n" +
		"127.0.0.1\tlocalhost\n" +
		"::1\tlocalhost ip6-localhost ip6-loopback\n" +
		"fe00::0\tip6-localnet\n" +
		"fe00::0\tip6-mcastprefix\n" +
		"fe00::1\tip6-allnodes\n" +
		"fe00::2\tip6-allrouters\n")
	for _, ip := range n.IPs {
		if names.Domain != "" {
			fmt.Fprintf(&s, "%s\t%s.%s\t%s\n", ip, names.Host, names.Domain, names.Host)
			continue
		}
		fmt.Fprintf(&s, "%s\t%s\n", ip, names.Host)
	}
	return s.String() + hostAliases(pod.Spec.HostAliases)
}

func hostAliases(aliases []corev1.HostAlias) string {
	var s strings.Builder
	if len(aliases) > 0 {
		s.WriteString("\n# Entries added by HostAliases.\n")
	}
	for _, a := range aliases {
		fmt.Fprintf(&s, "%s\t%s\n", a.IP, strings.Join(a.Hostnames, "\t"))
	}
	return s.String()
}

// resolver is the content of a resolv.conf(5).
type resolver struct {
	servers, search, options []string
}

// resolvConf is /etc/resolv.conf by the Pod's dnsPolicy and dnsConfig, as the kubelet combines them.
func resolvConf(pod *corev1.Pod, n podNetwork) string {
	host := parseResolvConf(n.Host)
	var r resolver
	switch policy := pod.Spec.DNSPolicy; {
	case policy == corev1.DNSNone:
	case pod.Spec.HostNetwork: // where the gateway is not to be reached
		r = resolver{host.servers, host.search, host.options}
	case policy == corev1.DNSDefault:
		// The host's servers may be on its loopback, which the Pod does not reach: the gateway asks them.
		r = resolver{addresses(n.Resolvers), host.search, host.options}
	default:
		r = resolver{addresses(n.Resolvers), append(slices.Clone(n.Search), host.search...), []string{"ndots:5"}}
	}
	if c := pod.Spec.DNSConfig; c != nil {
		r.servers = unique(append(r.servers, c.Nameservers...))
		r.search = unique(append(r.search, c.Searches...))
		for _, o := range c.Options {
			r.options = setOption(r.options, o)
		}
	}
	return r.String()
}

func (r resolver) String() string {
	var s strings.Builder
	if len(r.search) > 0 {
		fmt.Fprintf(&s, "search %s\n", strings.Join(unique(r.search), " "))
	}
	const most = 3 // resolv.conf(5): MAXNS
	for _, server := range r.servers[:min(len(r.servers), most)] {
		fmt.Fprintf(&s, "nameserver %s\n", server)
	}
	if len(r.options) > 0 {
		fmt.Fprintf(&s, "options %s\n", strings.Join(r.options, " "))
	}
	return s.String()
}

func addresses(ips []netip.Addr) []string {
	var list []string
	for _, ip := range ips {
		list = append(list, ip.String())
	}
	return list
}

// setOption adds an option; one of the same name is replaced.
func setOption(options []string, o corev1.PodDNSConfigOption) []string {
	options = slices.DeleteFunc(slices.Clone(options), func(have string) bool {
		name, _, _ := strings.Cut(have, ":")
		return name == o.Name
	})
	if o.Value != nil {
		return append(options, o.Name+":"+*o.Value)
	}
	return append(options, o.Name)
}

// unique drops repetitions, keeping the first of each.
func unique(list []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool {
		again := seen[s]
		seen[s] = true
		return again
	})
}

// parseResolvConf reads search domains and options; the last search line counts.
func parseResolvConf(content string) resolver {
	var r resolver
	for line := range strings.Lines(content) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "search", "domain":
			r.search = fields[1:]
		case "options":
			r.options = append(r.options, fields[1:]...)
		case "nameserver":
			r.servers = append(r.servers, fields[1])
		}
	}
	r.search = slices.DeleteFunc(r.search, func(s string) bool { return s == "." })
	return r
}
