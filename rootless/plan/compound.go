package plan

import "golang.org/x/sys/unix"

// Fork appends a clone(2) with the given flags whose child, a sibling of this process, carries on with the Plan, while this
// process reports the child's pid and ends.
func (p *Plan) Fork(what string, flags uintptr) {
	child := p.Call(what, unix.SYS_CLONE, uint64(flags|unix.CLONE_PARENT|uintptr(unix.SIGCHLD)), nil, nil, nil, nil)
	p.WhenPositive(child, func() {
		p.Call("", unix.SYS_WRITE, ReportFD, resultOf(child), 8)
		p.Call("", unix.SYS_EXIT_GROUP, 0)
	})
}

// CloseOnExec appends what makes every descriptor but stdio close-on-exec: what a workload inherits is what it was given,
// and no descriptor of a folder outside its root (CVE-2024-21626).
func (p *Plan) CloseOnExec() {
	p.Call("", unix.SYS_CLOSE_RANGE, 3, Flags{0xffffffff, "~0"}, Flags{unix.CLOSE_RANGE_CLOEXEC, "CLOSE_RANGE_CLOEXEC"})
}

// Keep appends what makes a descriptor outlive execve.
func (p *Plan) Keep(fd int) {
	p.Call("", unix.SYS_FCNTL, fd, Flags{unix.F_SETFD, "F_SETFD"}, 0)
}

// Execvp appends an execve(2) of each path in turn until one is there and may be executed, as execvp(3) does with the folders
// of PATH.
func (p *Plan) Execvp(paths []string, argv, envp Vector) {
	for i, path := range paths {
		r := p.Call("exec "+argv[0], unix.SYS_EXECVE, path, argv, envp)
		if i < len(paths)-1 {
			p.ops[r].onError = goOnIfMissing
		}
	}
}

// pauseFile is the name under which a Plan inherits the pause program.
const pauseFile = "pause"

// ExecPause appends the execve of pause. The Plan inherits the program as "pause".
func (p *Plan) ExecPause() {
	p.Call("execute pause", unix.SYS_EXECVEAT, p.Inherit(pauseFile), "", Vector{"pause"}, Vector{}, Flags{unix.AT_EMPTY_PATH, "AT_EMPTY_PATH"})
}
