// Package egress is what the engines of netstack have in common: what an engine is given, how many flows Pods may have, and how a
// dial that failed on the host has to look inside the Pod.
//
// The words:
//
//   - A flow has a source, which is a Pod's address and port, and a destination, which is where the Pod wanted to go.
//   - The host side of a flow is an ordinary socket of the host, made by [Config.Dial], which also knows what is closed to Pods.
//   - An [Outcome] is what happened to a dial, in the terms of a Pod: a program inside gets the error that it would have got outside.
//
// An engine takes a flow from a Pod, asks its [Registry] for room, dials, and either copies between both sides until they end or tells
// the Pod the outcome. What the engines differ in is how packets become flows.
package egress
