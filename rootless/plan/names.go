package plan

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// names are the system calls that Plans use, for String. Numbers differ between architectures, names do not.
var names = map[uint32]string{
	checkNumber:            "check",
	unix.SYS_CAPSET:        "capset",
	unix.SYS_CHDIR:         "chdir",
	unix.SYS_CLONE:         "clone",
	unix.SYS_CLOSE:         "close",
	unix.SYS_CLOSE_RANGE:   "close_range",
	unix.SYS_DUP3:          "dup3",
	unix.SYS_EVENTFD2:      "eventfd2",
	unix.SYS_EXECVE:        "execve",
	unix.SYS_EXECVEAT:      "execveat",
	unix.SYS_EXIT_GROUP:    "exit_group",
	unix.SYS_FCHDIR:        "fchdir",
	unix.SYS_FCHOWN:        "fchown",
	unix.SYS_FCNTL:         "fcntl",
	unix.SYS_FSCONFIG:      "fsconfig",
	unix.SYS_FSMOUNT:       "fsmount",
	unix.SYS_FSOPEN:        "fsopen",
	unix.SYS_GETPID:        "getpid",
	unix.SYS_GETCWD:        "getcwd",
	unix.SYS_IOCTL:         "ioctl",
	unix.SYS_MKDIRAT:       "mkdirat",
	unix.SYS_MOUNT:         "mount",
	unix.SYS_MOUNT_SETATTR: "mount_setattr",
	unix.SYS_MOVE_MOUNT:    "move_mount",
	unix.SYS_OPENAT:        "openat",
	unix.SYS_OPENAT2:       "openat2",
	unix.SYS_OPEN_TREE:     "open_tree",
	unix.SYS_PIVOT_ROOT:    "pivot_root",
	unix.SYS_PRCTL:         "prctl",
	unix.SYS_PRLIMIT64:     "prlimit64",
	unix.SYS_READ:          "read",
	unix.SYS_SECCOMP:       "seccomp",
	unix.SYS_SETGROUPS:     "setgroups",
	unix.SYS_SETHOSTNAME:   "sethostname",
	unix.SYS_SETNS:         "setns",
	unix.SYS_SETRESGID:     "setresgid",
	unix.SYS_SETRESUID:     "setresuid",
	unix.SYS_SETSID:        "setsid",
	unix.SYS_STATX:         "statx",
	unix.SYS_SYMLINKAT:     "symlinkat",
	unix.SYS_UNLINKAT:      "unlinkat",
	unix.SYS_UMASK:         "umask",
	unix.SYS_UMOUNT2:       "umount2",
	unix.SYS_UNSHARE:       "unshare",
	unix.SYS_WAIT4:         "wait4",
	unix.SYS_WRITE:         "write",
}

func syscallName(number uint32) string {
	if name, ok := names[number]; ok {
		return name
	}
	return fmt.Sprintf("syscall_%d", number)
}
