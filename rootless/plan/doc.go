// Package plan runs lists of system calls in a process too small to go wrong.
//
// Putting a process into its container is a sequence of system calls: join namespaces, mount, pivot, drop privileges,
// execve. Most of them change the calling thread or must be made by a process with a single thread, which a Go program
// never is. So the sequence is computed in Go, as data, and carried out by an interpreter of a few hundred bytes.
//
// # Words
//
//   - A Plan is a list of operations plus the bytes they point at. It is pure data: String prints it like strace, and
//     tests compare that with a golden file without any privilege.
//   - An operation is one system call: its number, six arguments, and what follows from its result. An argument is a
//     number, a pointer to bytes of the Plan, or the result of an earlier operation (a Ref).
//   - The interpreter (interpreter_*.s) is position-independent assembly. At run time its bytes are copied out of this very program,
//     given an ELF header and put into a sealed memfd: no C compiler, no generated file, nothing for a container to overwrite.
//   - pause (pause_*.s) is the smallest program of the family: it holds namespaces, reaps and ends on SIGTERM.
//
// # One run
//
//	Run                                     interpreter (process A)               process B
//	  writes the Plan into a sealed memfd
//	  starts A: stdin, stdout, stderr,
//	    3 = Plan, 4 = report pipe,
//	    5… = files the Plan inherits   ──▶  maps fd 3 at a fixed address
//	                                        operations, one after the other
//	                                        clone(CLONE_PARENT)          ──▶      goes on with the operations
//	  reads {pid, 0}                   ◀──  writes B's pid, exits
//	                                                                              an operation fails:
//	  reads {offset, errno}            ◀────────────────────────────────────────  writes where and why, exits 127
//	  reads end of file                ◀────────────────────────────────────────  or: execve closed the pipe, B runs
//
// The clone is needed only where a process must be inside a pid namespace, which setns(2) and unshare(2) give to children alone.
// B is made with CLONE_PARENT, so it is a child of the process that called Run, which can wait for it. (Run could start A in that namespace
// itself, from a thread that is in it. But whoever is in there already may be its enemy, and could stop A before its execve(2), for which Go's fork waits.)
//
// The Plan is mapped privately at one fixed address (Base), so pointers in it are plain numbers, argv and envp need no
// relocation, and system calls can write into it (a pipe's descriptors, a statx) for later operations to use.
//
// # What is not promised
//
// A Plan is not undone when an operation fails: the process ends, and with it its namespaces and mounts. Files that it made stay.
package plan
