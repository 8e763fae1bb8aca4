package main

import (
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// powers tries, once each, what only root of the machine may do, in a way that changes nothing where it succeeds.
func powers() {
	for _, power := range []struct {
		name string
		try  func() error
	}{
		{"make a block device", func() error { return device(unix.S_IFBLK, 254, 0) }},
		{"make a character device", func() error { return device(unix.S_IFCHR, 1, 1) }},
		{"open the root of the host by handle", openHostRoot},
		{"set the clock", func() error { return clockSettime() }},
		{"load a module", func() error { return unix.InitModule([]byte{0}, "") }},
		{"load a kernel", func() error { return call(unix.SYS_KEXEC_LOAD, 0, 0, 0, 0) }},
		{"swap", func() error { return call(unix.SYS_SWAPOFF, text("/nonexistent")) }},
		{"account processes", func() error { return call(unix.SYS_ACCT, text("/nonexistent")) }},
		{"watch a processor", watchProcessor},
		{"list programs in the kernel", listPrograms},
		{"control the console", func() error { _, err := unix.Klogctl(unix.SYSLOG_ACTION_CONSOLE_ON, nil); return err }},
		{"run before all others", realtime},
		{"have more files", raiseFiles},
		{"mount a disk's file system", func() error { return newFileSystem("ext4") }},
		{"mount the kernel's debug files", func() error { return newFileSystem("debugfs") }},
		{"mount the kernel's security files", func() error { return newFileSystem("securityfs") }},
		{"mount all devices", func() error { return newFileSystem("devtmpfs") }},
		{"never be killed for memory", func() error { return write("/proc/self/oom_score_adj", "-1000") }},
		{"set core_pattern", func() error { return rewrite("/proc/sys/kernel/core_pattern") }},
		{"set modprobe", func() error { return rewrite("/proc/sys/kernel/modprobe") }},
		{"set panic", func() error { return rewrite("/proc/sys/kernel/panic") }},
		{"set file-max", func() error { return rewrite("/proc/sys/fs/file-max") }},
		{"set overcommit_memory", func() error { return rewrite("/proc/sys/vm/overcommit_memory") }},
		{"use sysrq", func() error { return open("/proc/sysrq-trigger", unix.O_WRONLY) }},
		{"read the kernel's memory", func() error { return read("/proc/kcore") }},
		{"set uevent_helper", func() error { return open("/sys/kernel/uevent_helper", unix.O_WRONLY) }},
		{"set a device's parameters", func() error { return open("/sys/module/kernel/parameters/panic", unix.O_WRONLY) }},
		{"trace the kernel", func() error { return open("/sys/kernel/tracing/trace", unix.O_RDONLY) }},
	} {
		result := "refused"
		if power.try() == nil {
			result = "DONE"
		}
		fmt.Printf("%s: %s\n", power.name, result)
	}
}

// device looks at what it has made: to a user with a single id mknod(2) only seems to succeed.
func device(kind, major, minor uint32) error {
	const path = "/powers-device"
	if err := unix.Mknod(path, kind|0o600, int(unix.Mkdev(major, minor))); err != nil {
		return err
	}
	var stat unix.Stat_t
	if err := unix.Lstat(path, &stat); err != nil {
		return err
	}
	_ = unix.Unlink(path)
	if stat.Mode&unix.S_IFMT != kind {
		return unix.EPERM
	}
	return nil
}

func call(number uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	if _, _, errno := unix.RawSyscall6(number, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
		return errno
	}
	return nil
}

// kept holds what the kernel reads by number.
var kept []*byte

func text(s string) uintptr {
	p, _ := unix.BytePtrFromString(s)
	kept = append(kept, p)
	return uintptr(unsafe.Pointer(p))
}

// openHostRoot asks the file system of a file of the host, which every container is given, for its inode 2: the root of ext4.
func openHostRoot() error {
	mount, err := unix.Open("/etc/hosts", unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(mount)
	const ino32Gen = 1 // FILEID_INO32_GEN (linux/exportfs.h): inode and generation, 32 bits each
	for _, inode := range []byte{1, 2, 64, 128} {
		fd, err := unix.OpenByHandleAt(mount, unix.NewFileHandle(ino32Gen, []byte{inode, 0, 0, 0, 0, 0, 0, 0}), unix.O_RDONLY)
		if err == nil {
			return unix.Close(fd)
		}
	}
	return unix.EPERM
}

func clockSettime() error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME, &now); err != nil {
		return err
	}
	return unix.ClockSettime(unix.CLOCK_REALTIME, &now)
}

func watchProcessor() error {
	attr := unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_CPU_CLOCK, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{}))}
	fd, err := unix.PerfEventOpen(&attr, -1, 0, -1, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

func listPrograms() error {
	var attr [64]byte // start_id 0, next_id
	return call(unix.SYS_BPF, unix.BPF_PROG_GET_NEXT_ID, uintptr(unsafe.Pointer(&attr)), uintptr(len(attr)))
}

func realtime() error {
	priority := int32(1)
	return call(unix.SYS_SCHED_SETSCHEDULER, 0, unix.SCHED_FIFO, uintptr(unsafe.Pointer(&priority)))
}

func raiseFiles() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Max++
	return unix.Prlimit(0, unix.RLIMIT_NOFILE, &limit, nil)
}

func newFileSystem(fstype string) error {
	fs, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fs)
	return unix.FsconfigCreate(fs)
}

func open(path string, flags int) error {
	fd, err := unix.Open(path, flags, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

func read(path string) error {
	_, err := readSome(path)
	return err
}

func readSome(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, 4096)
	n, err := f.Read(b)
	return b[:n], err
}

func write(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(value)
	return err
}

// rewrite writes to a parameter of the kernel what it has.
func rewrite(path string) error {
	value, err := readSome(path)
	if err != nil {
		return err
	}
	return write(path, strings.TrimSpace(string(value)))
}

// ids prints who this process is.
func ids() error {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		if caps, ok := strings.CutPrefix(line, "CapEff:"); ok {
			fmt.Printf("uid %d euid %d capabilities %s\n", unix.Getuid(), unix.Geteuid(), strings.TrimSpace(caps))
		}
	}
	return nil
}
