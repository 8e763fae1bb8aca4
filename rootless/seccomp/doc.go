// Package seccomp turns a seccomp profile into the program the kernel runs before every system call of a container.
//
// Words. A *profile* is the OCI runtime specification's LinuxSeccomp value: a default action and rules. A *rule* names
// system calls, an action, and perhaps conditions on arguments. A *filter* is classic BPF: it reads one struct
// seccomp_data (number, architecture, six 64-bit arguments) and returns an action with 16 bits of data.
//
// One use, from a container's capabilities to bytes for seccomp(2):
//
//	kernel, err := seccomp.Kernel()
//	profile, err := seccomp.Default(runtime.GOARCH, caps, kernel) // kubelet's RuntimeDefault
//	program, err := seccomp.Prepare(profile, runtime.GOARCH)      // the verdicts, as BPF (Compile), and how the kernel is to load them
//
// Load does for a profile file (Localhost) what Default does for the built-in one.
//
// # What a profile means
//
// Profiles in use were written for runc and libseccomp, so a rule means here what it means there:
//
//   - All conditions of a rule must hold. Several rules for a call are alternatives.
//   - Arguments are compared as unsigned 64-bit numbers. MASKED_EQ is (argument & value) == (valueTwo & value).
//   - A rule with two conditions on the same argument is split into one rule per condition (runc does this, since
//     libseccomp takes one condition per argument). Such a rule is an OR, surprising as that is.
//   - A rule whose action equals the default action is dropped.
//   - A rule without conditions beats rules with conditions for the same call, wherever it stands. Of two rules
//     without conditions the first counts.
//   - A name that the architecture does not have is skipped.
//   - A number above the highest one that the profile names did not exist when the profile was written. It gets ENOSYS,
//     so that a C library tries the older call, unless the default action lets calls through (ALLOW, LOG, TRACE).
//
// Two meetings of rules have no meaning there that could be kept. Where rules with different actions and overlapping
// conditions meet, libseccomp's answer depends on how it sorted its tree, or it refuses the profile; here the first such
// rule in the profile wins. Where several rules for a call compare one argument by order (LT, LE, GT, GE) or with NE,
// libseccomp 2.5 loses some of them when it joins their trees; here they are alternatives like all others.
//
// # Other architectures
//
// A filter judges calls of one architecture. Calls made through another one (32-bit x86 on amd64, 32-bit ARM on arm64)
// kill the process, although the profile may list it: their numbers and arguments mean other things, and no table
// for them is kept here. x32, which shares amd64's architecture code and sets bit 30 of the number, gets ENOSYS under
// every profile, as do all numbers above: it is what kernels without x32 answer, and a list of forbidden numbers must not
// be dodged through it. Number -1, which a tracer sets to have a call skipped, is no exception unless the default action
// lets calls through.
//
// # Shape of a filter
//
// Numbers with the same verdict form ranges; a balanced tree of comparisons finds the range in about log2(ranges)
// steps. It uses only instructions that the kernel's own analysis understands (Linux ≥ 5.11), which lets it skip the
// filter for calls that are always allowed.
//
// Not promised: NOTIFY, which needs a process that answers; that a filter fits in the kernel's 4096 instructions
// (Compile says so when not); loading, which is the caller's.
package seccomp
