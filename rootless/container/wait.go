package container

import (
	"errors"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/state"
)

// Exit is how a process ended.
type Exit struct {
	Code    int            // exit code; 128+n if killed by signal n
	Signal  syscall.Signal // 0 if it exited by itself
	Unknown bool           // nobody could say: Code is 137, as the kubelet reports it
	At      time.Time
}

// UnknownExit is what the kubelet reports of a container that ended while nobody looked.
func UnknownExit() Exit { return Exit{Code: 137, Unknown: true, At: time.Now()} }

// Wait sleeps until the process of a pidfd ends and says how. The pidfd must be non-blocking; it is closed. A child of this
// process is reaped; of another process, which this node has adopted, the kernel tells the status as long as it is a zombie,
// and then, to whoever held a pidfd, since Linux 6.15 (PIDFD_GET_INFO).
func Wait(p state.Process, pidfd *os.File) Exit {
	defer pidfd.Close()
	conn, err := pidfd.SyscallConn()
	if err != nil {
		return UnknownExit()
	}
	exit := UnknownExit()
	// The poller wakes this goroutine when the pidfd becomes readable, that is, when the process has ended.
	err = conn.Read(func(fd uintptr) bool {
		if !ended(int(fd)) {
			return false
		}
		exit = status(p, int(fd))
		return true
	})
	if err != nil {
		return UnknownExit()
	}
	return exit
}

func ended(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(p, 0)
	return err == nil && n == 1
}

// status reaps a child, or asks the kernel about a process that another one reaps.
func status(p state.Process, fd int) Exit {
	var info siginfo
	for {
		err := unix.Waitid(unix.P_PIDFD, fd, (*unix.Siginfo)(unsafe.Pointer(&info)), unix.WEXITED, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err == nil {
			return info.exit()
		}
		return adoptedStatus(p, fd)
	}
}

// siginfo is the part of siginfo_t that waitid(2) fills, in the layout of 64-bit machines.
type siginfo struct {
	signo, errno, code, _ int32
	pid, uid, status      int32
	_                     [100]byte
}

// exit reads si_code and si_status (waitid(2)): with CLD_EXITED the status is the exit code, else a signal.
func (s siginfo) exit() Exit {
	const cldExited = 1
	if s.code == cldExited {
		return Exit{Code: int(s.status), At: time.Now()}
	}
	return Exit{Code: 128 + int(s.status), Signal: syscall.Signal(s.status), At: time.Now()}
}

// pidfdInfo is struct pidfd_info (linux/pidfd.h) up to the exit code.
type pidfdInfo struct {
	mask, cgroupid           uint64
	pid, tgid, ppid          uint32
	ruid, rgid, euid, egid   uint32
	suid, sgid, fsuid, fsgid uint32
	exitCode                 int32
}

const (
	pidfdInfoExit = 1 << 3
	pidfdGetInfo  = 0xc0000000 | uint(unsafe.Sizeof(pidfdInfo{}))<<16 | 0xff<<8 | 11 // _IOWR(0xFF, 11, struct pidfd_info)
)

// adoptedStatus finds the wait status of a process that somebody else reaps. Until that has happened it is in /proc; afterwards
// the kernel keeps it for the holders of a pidfd.
func adoptedStatus(p state.Process, fd int) Exit {
	if status, err := p.ZombieStatus(); err == nil {
		return waitStatusExit(status)
	}
	info := pidfdInfo{mask: pidfdInfoExit}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(pidfdGetInfo), uintptr(unsafe.Pointer(&info)))
	if errno == 0 && info.mask&pidfdInfoExit != 0 {
		return waitStatusExit(syscall.WaitStatus(info.exitCode))
	}
	return UnknownExit()
}

func waitStatusExit(s syscall.WaitStatus) Exit {
	if s.Signaled() {
		return Exit{Code: 128 + int(s.Signal()), Signal: s.Signal(), At: time.Now()}
	}
	return Exit{Code: s.ExitStatus(), At: time.Now()}
}
