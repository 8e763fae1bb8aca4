package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// attack does to a process what one does to take it over.
func attack(pid string) error {
	number, err := strconv.Atoi(pid)
	if err != nil {
		return err
	}
	runtime.LockOSThread() // a tracer is a thread
	buffer := make([]byte, 8)
	local := []unix.Iovec{{Base: &buffer[0], Len: 8}}
	remote := []unix.RemoteIovec{{Base: 0x400000, Len: 8}}
	for _, act := range []struct {
		name string
		try  func() error
	}{
		{"kill", func() error { return unix.Kill(number, 0) }},
		{"pidfd_open", func() error { _, err := unix.PidfdOpen(number, 0); return err }},
		{"ptrace", func() error { return unix.PtraceSeize(number) }},
		{"process_vm_readv", func() error { _, err := unix.ProcessVMReadv(number, local, remote, 0); return err }},
		{"process_vm_writev", func() error { _, err := unix.ProcessVMWritev(number, local, remote, 0); return err }},
		{"mem", func() error { return open("/proc/"+pid+"/mem", unix.O_RDWR) }},
		{"environ", func() error { return open("/proc/"+pid+"/environ", unix.O_RDONLY) }},
		{"root", func() error { return open("/proc/"+pid+"/root", unix.O_RDONLY) }},
		{"cwd", func() error { return open("/proc/"+pid+"/cwd", unix.O_RDONLY) }},
		{"setns", func() error { return joinUser(pid) }},
		{"prlimit", func() error { return unix.Prlimit(number, unix.RLIMIT_NOFILE, nil, &unix.Rlimit{}) }},
	} {
		fmt.Printf("%s: %s\n", act.name, result(act.try()))
	}
	return nil
}

func joinUser(pid string) error {
	fd, err := unix.Open("/proc/"+pid+"/ns/mnt", unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Setns(fd, unix.CLONE_NEWNS)
}

func result(err error) string {
	if errno, ok := err.(syscall.Errno); ok {
		return unix.ErrnoName(errno)
	}
	if err != nil {
		return err.Error()
	}
	return "DONE"
}

// stalk looks at processes that appear in the container: the interpreter that a command comes in by is one for a moment. It knows it by
// its name, which is the number of the descriptor that it was executed from. What it can get of such a process is printed, and in the end
// how many it has met.
func stalk(seconds string) error { return await(seconds, 20, loot) }

// freeze stops one of those that stalk looks at, for good.
func freeze(seconds string) error {
	return await(seconds, 1, func(pid int) bool {
		if unix.Kill(pid, unix.SIGSTOP) != nil || !interpreter(pid) {
			return false // it has become the command
		}
		fmt.Println("frozen", pid)
		return true
	})
}

// await calls do for each interpreter that comes, until that was so with enough of them or a time is over.
func await(seconds string, enough int, do func(pid int) bool) error {
	n, err := strconv.Atoi(seconds)
	if err != nil {
		return err
	}
	met := 0
	for end, seen := time.Now().Add(time.Duration(n)*time.Second), os.Getpid(); met < enough && time.Now().Before(end); {
		last, err := lastPid()
		if err != nil {
			return err
		}
		for ; seen < last; seen++ {
			if interpreter(seen+1) && do(seen+1) {
				met++
			}
		}
	}
	fmt.Println("met", met)
	return nil
}

// lastPid is the number given last in this pid namespace (proc(5), /proc/loadavg). To read the folder takes longer than an interpreter lives.
func lastPid() (int, error) {
	b, err := readSome("/proc/loadavg")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b))
	return strconv.Atoi(fields[len(fields)-1])
}

// interpreter tells whether a process is one, for now.
func interpreter(pid int) bool {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	_, notNumber := strconv.Atoi(strings.TrimSpace(string(name)))
	return err == nil && notNumber == nil
}

// loot prints what it can get at. That is told by its name: the process may be a command by now, which is fair game.
func loot(pid int) bool {
	dir := fmt.Sprintf("/proc/%d", pid)
	links, _ := filepath.Glob(dir + "/fd/*")
	for _, link := range append(links, dir+"/exe") {
		target, err := os.Readlink(link)
		if err == nil && (strings.Contains(target, "memfd:") || strings.Contains(target, "pidfd")) {
			fmt.Println("LOOT", link, target)
		}
	}
	// Its memory: execve gives a process another one before it gives it another name.
	if open(dir+"/mem", unix.O_RDWR) == nil && interpreter(pid) {
		fmt.Println("LOOT memory of", pid)
	}
	if maps, err := os.ReadFile(dir + "/maps"); err == nil && strings.Contains(string(maps), "memfd:") {
		fmt.Println("LOOT maps of", pid)
	}
	return true
}

// flee leaves a root by the way of a second one: chroot(2) does not change the working directory, from which ".." then leads up past
// the first root, unless that is the root of the mount namespace.
func flee(path string) error {
	if err := os.MkdirAll("/flee", 0o755); err != nil {
		return err
	}
	if err := unix.Chroot("/flee"); err != nil {
		return os.NewSyscallError("chroot", err)
	}
	if err := unix.Chdir(strings.Repeat("../", 64)); err != nil {
		return os.NewSyscallError("chdir", err)
	}
	if err := unix.Chroot("."); err != nil {
		return os.NewSyscallError("chroot", err)
	}
	if _, err := os.Stat(path); err == nil {
		fmt.Println("OUTSIDE")
		return nil
	}
	fmt.Println("inside")
	return nil
}

func listen(name string) error {
	l, err := net.Listen("unix", "@"+name)
	if err != nil {
		return err
	}
	fmt.Println("listening")
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		_, _ = io.WriteString(c, "hello\n")
		c.Close()
	}
}

func connect(name string) error {
	c, err := net.Dial("unix", "@"+name)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = io.Copy(os.Stdout, c)
	return err
}

// files keeps what it has opened until it is killed.
func files() error {
	var opened []int
	for len(opened) < 1<<20 {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY, 0)
		if err != nil {
			break
		}
		opened = append(opened, fd)
	}
	for _, fd := range opened[max(0, len(opened)-16):] { // the Go runtime needs some itself
		unix.Close(fd)
	}
	fmt.Println("full at", len(opened))
	time.Sleep(time.Hour)
	return nil
}
