package userns

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/plan"
)

// Enter replaces the calling process by a program in U and M: argv[0] is its path on the host, dir its working directory if that is there.
// Descriptors in keep stay open under their numbers; all others are closed. It returns only on failure.
func (h *Holder) Enter(dir string, argv, environ []string, keep []int) error {
	pidfd, err := h.Process.Open()
	if err != nil {
		return fmt.Errorf("open the holder: %w", err)
	}
	defer pidfd.Close()
	// A Plan that fails inside Exec ends this process without a word, so the same joins are tried in a child before.
	trial := plan.New()
	join(trial, trial.Inherit("holder"))
	trial.Call("", unix.SYS_EXIT_GROUP, 0)
	pid, err := plan.Run(plan.Start{Plan: trial, Files: map[string]*os.File{"holder": pidfd}})
	if err != nil {
		return explain(err)
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, 0, nil); err != nil {
		return os.NewSyscallError("wait4", err)
	}
	p := plan.New()
	join(p, int(pidfd.Fd()))
	// Containers inherit the node's keyring: with that of the user's login they would have his keys, which belong to their own id
	// (session-keyring(7)). It is refused where a filter surrounds the user himself, and where the kernel has no keys.
	p.Try(unix.SYS_KEYCTL, plan.Flags{Value: unix.KEYCTL_JOIN_SESSION_KEYRING, Name: "JOIN_SESSION_KEYRING"}, nil)
	p.Try(unix.SYS_CHDIR, dir) // setns(2) has left it at the root
	for _, fd := range keep {
		p.Keep(fd)
	}
	p.Call("execute "+argv[0], unix.SYS_EXECVE, argv[0], plan.Vector(argv), plan.Vector(environ))
	return plan.Exec(p, append([]int{int(pidfd.Fd())}, keep...)...)
}

// join appends what puts a process into U and M, as their root.
func join(p *plan.Plan, pidfd any) {
	p.Call("join the holder's namespaces", unix.SYS_SETNS, pidfd,
		plan.Flags{Value: unix.CLONE_NEWUSER | unix.CLONE_NEWNS, Name: "CLONE_NEWUSER|CLONE_NEWNS"})
	p.Call("become root of the user namespace", unix.SYS_SETRESGID, 0, 0, 0)
	p.Call("become root of the user namespace", unix.SYS_SETRESUID, 0, 0, 0)
}
