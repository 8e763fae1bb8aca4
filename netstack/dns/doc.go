// Package dns answers the Pods' queries: names of Pods from a table, everything else from the host's name servers.
//
// The words:
//
//   - The zone is what this server answers by itself: the cluster domain, the reverse names of the Pods' ranges, and single names. Nothing of
//     it is ever asked upstream, not even a name that does not exist.
//   - Upstream are the name servers of the host's resolv.conf, as it is at that moment.
//
// One query: [Server] reads a message from UDP or TCP and takes its question. If the zone has the name, it builds the
// answer. If not, the client's bytes go upstream with a new random ID, and the upstream's bytes come back with the client's: EDNS
// options and record types that this package has never heard of cross untouched. A query goes upstream by UDP, from a fresh
// port; if the answer is truncated and the client can take more, again by TCP. The next server is asked after one second without
// an answer, or at once when a server cannot answer; the first usable answer wins. When there is none, the client gets SERVFAIL.
// Answers are remembered for as long as their records live, five minutes at most, and as long as the host has the same servers.
//
// Names in the zone, with cluster.local as the domain (the Kubernetes DNS specification has the first; TTL 5 s):
//
//	10-206-0-7.default.pod.cluster.local    the address in the name, if a Pod of that namespace has it; IPv6 with dashes for colons
//	web.default.pod.cluster.local           the Pod called web, or with that hostname
//	a.sub.default.svc.cluster.local         the Pod with hostname a and subdomain sub
//	7.0.206.10.in-addr.arpa                 PTR of a Pod, likewise in ip6.arpa; with a subdomain it is the name above
//
// Other names, in the domain or not, are set by whoever knows them ([Server.SetRecords]).
//
// # Not promised
//
// No DNSSEC validation: the bits pass.
package dns
