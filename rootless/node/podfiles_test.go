package node

import (
	"net/netip"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/kube"
)

func network() podNetwork {
	return podNetwork{
		IPs:       []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd00::2")},
		Resolvers: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")},
		Search:    []string{"default.svc.cluster.local", "cluster.local"},
		Host:      "# comment\ndomain old.example\nsearch corp.example .\nnameserver 127.0.0.53\noptions edns0 timeout:1\n",
	}
}

func TestResolvConf(t *testing.T) {
	value := "2"
	config := &corev1.PodDNSConfig{
		Nameservers: []string{"192.0.2.1", "10.0.0.1"}, Searches: []string{"my.example", "cluster.local"},
		Options: []corev1.PodDNSConfigOption{{Name: "ndots", Value: &value}, {Name: "rotate"}},
	}
	for _, test := range []struct {
		name   string
		policy corev1.DNSPolicy
		config *corev1.PodDNSConfig
		want   string
		host   bool
	}{
		{"cluster first", corev1.DNSClusterFirst, nil,
			"search default.svc.cluster.local cluster.local corp.example\nnameserver 10.0.0.1\nnameserver fd00::1\noptions ndots:5\n", false},
		{"default", corev1.DNSDefault, nil,
			"search corp.example\nnameserver 10.0.0.1\nnameserver fd00::1\noptions edns0 timeout:1\n", false},
		{"none", corev1.DNSNone, config,
			"search my.example cluster.local\nnameserver 192.0.2.1\nnameserver 10.0.0.1\noptions ndots:2 rotate\n", false},
		{"cluster first and config", corev1.DNSClusterFirst, config,
			"search default.svc.cluster.local cluster.local corp.example my.example\nnameserver 10.0.0.1\nnameserver fd00::1\nnameserver 192.0.2.1\noptions ndots:2 rotate\n", false},
		{"cluster first in the host's network", corev1.DNSClusterFirst, nil,
			"search corp.example\nnameserver 127.0.0.53\noptions edns0 timeout:1\n", true},
		{"cluster first with host net", corev1.DNSClusterFirstWithHostNet, nil,
			"search corp.example\nnameserver 127.0.0.53\noptions edns0 timeout:1\n", true},
		{"none in the host's network", corev1.DNSNone, config,
			"search my.example cluster.local\nnameserver 192.0.2.1\nnameserver 10.0.0.1\noptions ndots:2 rotate\n", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			pod := &corev1.Pod{Spec: corev1.PodSpec{DNSPolicy: test.policy, DNSConfig: test.config, HostNetwork: test.host}}
			if got := resolvConf(pod, network()); got != test.want {
				t.Errorf("got:\n%swant:\n%s", got, test.want)
			}
		})
	}
}

func TestHostsFile(t *testing.T) {
	pod := &corev1.Pod{Spec: corev1.PodSpec{HostAliases: []corev1.HostAlias{{IP: "192.0.2.9", Hostnames: []string{"a", "b"}}}}}
	got := hostsFile(pod, kube.Names{Host: "demo"}, network())
	for _, want := range []string{"127.0.0.1\tlocalhost\n", "10.0.0.2\tdemo\nfd00::2\tdemo\n", "\n# Entries added by HostAliases.\n192.0.2.9\ta\tb\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in:\n%s", want, got)
		}
	}
	if got := hostsFile(pod, kube.Names{Host: "demo", Domain: "sub.ns.svc.cluster.local"}, network()); !strings.Contains(got, "10.0.0.2\tdemo.sub.ns.svc.cluster.local\tdemo\n") {
		t.Errorf("with a domain:\n%s", got)
	}
	pod.Spec.HostNetwork = true
	n := network()
	n.Hosts = "127.0.0.1 localhost\n"
	want := "# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n\n# Entries added by HostAliases.\n192.0.2.9\ta\tb\n"
	if got := hostsFile(pod, kube.Names{Host: "machine"}, n); got != want {
		t.Errorf("in the host's network:\n%swant:\n%s", got, want)
	}
}

func FuzzParseResolvConf(f *testing.F) {
	f.Add(network().Host)
	f.Add("search\noptions\n\x00")
	f.Fuzz(func(t *testing.T, content string) {
		r := parseResolvConf(content)
		again := parseResolvConf(r.String())
		if len(again.servers) > 3 || len(again.options) != len(r.options) {
			t.Errorf("%+v became %+v", r, again)
		}
	})
}
