// Command peapod runs Kubernetes Pods as an ordinary user. Each verb has a file of its own; it asks the node (package
// rootless/node, one process per user, started when first needed) over its socket and prints the answer.
//
// # Rules for what is printed
//
// Texts and layouts are kubectl's, those of ps, inspect and all about images docker's, so that eyes and scripts find what they know.
// Results go to standard output; warnings, progress, "No resources found" and errors to standard error. An error is one line that
// begins with "error:" (or "Error from server (Reason):" where the node refused, as kubectl says it); a line "hint:" tells the way out
// where there is one. Escape sequences are written to terminals only, and only by the progress of a pull.
//
// # Exit status
//
// 0, or 1 for any error, or that of the command that exec, unshare or proxy ran. The one place that decides is errors.go.
//
// # Speed
//
// A run should not take longer than the node needs to answer: no configuration file is read, no discovery is done, nothing is
// prepared for verbs that were not called.
package main
