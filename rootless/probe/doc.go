// Package probe asks containers how they are: by HTTP, TCP, gRPC's health protocol, or whatever a function does. The node asks, from
// outside; nothing is needed in the image.
//
// Words. A check is one attempt. Its outcome is good, or bad with a text for the user, or it came to nothing for a reason of ours, and does not
// count. A verdict is what enough equal outcomes in a row amount to: success or failure.
//
//	worker := probe.Start(probe.Config{…})    checks, waits a period, checks, …
//	    Tell(text)                             each bad outcome: an event for users
//	    Changed(true)                          each verdict that differs from the last one; nothing is said of what stays as it is
//	worker.Stop()
//
// # Time
//
// The first check comes after the initial delay, then one each period. A worker that waits is a timer of the Go runtime and nothing else, so a
// thousand of them cost nothing between their checks.
//
// A container that has just been started is often ready within milliseconds, and a period is ten seconds by default. Until the first one is over, an
// eager worker therefore checks again after 100, 200, 400 ms and so on. Of these early checks only a good one counts, as the first of those that
// it takes; bad ones are told to nobody.
//
// # Connections
//
// Client makes the three kinds of check that need a network, by a function that dials, on a new connection each time. Texts, limits, headers and
// the treatment of redirects are the kubelet's (kubernetes, pkg/probe), certificates are not looked at. gRPC is spoken by net/http's own HTTP/2, and its
// two messages, one of which comes from strangers, are read and written here.
//
// Not promised: that a check which has timed out has left nothing running in the container.
package probe
