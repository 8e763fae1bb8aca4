// Command probe is what the end-to-end suite runs inside containers, where busybox has no word for it. It is static and needs
// nothing of the image.
//
//	probe shm-write KEY TEXT   make a System V shared memory segment and leave TEXT in it
//	probe shm-read KEY         print what is in it
//	probe refused              try calls that a container must not do; a line "NAME: RESULT" for each
//	probe fds                  print what this process was given open, and where its working directory is
//	probe powers               try what root of the machine may; a line "NAME: refused" or "NAME: DONE" for each
//	probe stalk SECONDS        look for processes that are on their way into the container, twenty or for a time; print what can be read of them
//	probe freeze SECONDS       stop one such process
//	probe attack PID           send to, trace, read and write a process; a line "NAME: RESULT" for each
//	probe flee PATH            leave the root by chroot(2), and say whether PATH is there
//	probe ids                  print this process's user, effective user and effective capabilities
//	probe files                open as many files as it can, and keep them
//	probe key-write NAME TEXT COMMAND…  begin a session of the kernel's keys, leave one in it, and become COMMAND
//	probe key-read NAME        print what is in such a key
//	probe listen NAME          answer connections to an abstract unix socket
//	probe connect NAME         connect to it
//	probe health PORT          serve HTTP and gRPC's health protocol there, and with TLS on the next port; well is what has a file in /well
//	probe udp-who PORT         answer datagrams with their sender's address and what they say
//	probe udp-ask ADDRESS SIZE send a datagram of that size and print the answer
//	probe scan ADDRESS PORTS   connect to the ports from 1 on; print how often each answer came
//	probe hold ADDRESS N SECONDS  open so many connections that stay silent, print how many there are, and keep them
//	probe garbage GATEWAY N    send frames that mean nothing, and such questions to the name server there
package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 3 && args[0] == "shm-write":
		return withSegment(args[1], unix.IPC_CREAT|0o600, func(b []byte) { copy(b, args[2]) })
	case len(args) == 1 && args[0] == "refused":
		refused()
		return nil
	case len(args) == 1 && args[0] == "fds":
		return descriptors()
	case len(args) == 1 && args[0] == "powers":
		powers()
		return nil
	case len(args) == 1 && args[0] == "ids":
		return ids()
	case len(args) == 1 && args[0] == "files":
		return files()
	case len(args) == 3 && args[0] == "udp-ask":
		return udpAsk(args[1], args[2])
	case len(args) == 3 && args[0] == "scan":
		return scan(args[1], args[2])
	case len(args) == 3 && args[0] == "garbage":
		return garbage(args[1], args[2])
	case len(args) == 4 && args[0] == "hold":
		return hold(args[1], args[2], args[3])
	case len(args) > 3 && args[0] == "key-write":
		return keyWrite(args[1], args[2], args[3:])
	case len(args) == 2:
		return runOn(args[0], args[1])
	}
	return fmt.Errorf("unknown arguments %q", args)
}

// runOn runs the words that have one argument.
func runOn(word, arg string) error {
	switch word {
	case "shm-read":
		return withSegment(arg, 0, func(b []byte) { fmt.Printf("%s\n", bytes.TrimRight(b, "\x00")) })
	case "key-read":
		return keyRead(arg)
	case "stalk":
		return stalk(arg)
	case "freeze":
		return freeze(arg)
	case "attack":
		return attack(arg)
	case "flee":
		return flee(arg)
	case "udp-who":
		return udpWho(arg)
	case "health":
		port, err := strconv.Atoi(arg)
		if err != nil {
			return err
		}
		return serveHealth(port)
	case "listen":
		return listen(arg)
	case "connect":
		return connect(arg)
	}
	return fmt.Errorf("unknown word %q", word)
}

func withSegment(key string, flags int, do func([]byte)) error {
	number, err := strconv.Atoi(key)
	if err != nil {
		return err
	}
	id, err := unix.SysvShmGet(number, 4096, flags)
	if err != nil {
		return os.NewSyscallError("shmget", err)
	}
	b, err := unix.SysvShmAttach(id, 0, 0)
	if err != nil {
		return os.NewSyscallError("shmat", err)
	}
	do(b)
	return unix.SysvShmDetach(b)
}

// refused makes each call with arguments that the kernel itself would not object to, where there are such.
func refused() {
	null := unsafe.Pointer(&[1]byte{})
	slash := unsafe.Pointer(&[2]byte{'/'})
	for _, call := range []struct {
		name string
		args [6]uintptr
	}{
		{"unshare(CLONE_NEWUSER)", [6]uintptr{unix.SYS_UNSHARE, unix.CLONE_NEWUSER}},
		{"unshare(CLONE_NEWNS)", [6]uintptr{unix.SYS_UNSHARE, unix.CLONE_NEWNS}},
		{"mount", [6]uintptr{unix.SYS_MOUNT, uintptr(slash), uintptr(slash), 0, unix.MS_BIND}},
		{"umount2", [6]uintptr{unix.SYS_UMOUNT2, uintptr(slash), unix.MNT_DETACH}},
		{"pivot_root", [6]uintptr{unix.SYS_PIVOT_ROOT, uintptr(slash), uintptr(slash)}},
		{"open_tree", [6]uintptr{unix.SYS_OPEN_TREE, 0, uintptr(slash), unix.OPEN_TREE_CLONE}},
		{"fsopen", [6]uintptr{unix.SYS_FSOPEN, uintptr(slash)}},
		{"keyctl", [6]uintptr{unix.SYS_KEYCTL, unix.KEYCTL_GET_KEYRING_ID, ^uintptr(2)}},
		{"add_key", [6]uintptr{unix.SYS_ADD_KEY, uintptr(null), uintptr(null)}},
		{"bpf", [6]uintptr{unix.SYS_BPF}},
		{"perf_event_open", [6]uintptr{unix.SYS_PERF_EVENT_OPEN}},
		{"open_by_handle_at", [6]uintptr{unix.SYS_OPEN_BY_HANDLE_AT}},
		{"userfaultfd", [6]uintptr{unix.SYS_USERFAULTFD}},
		{"io_uring_setup", [6]uintptr{unix.SYS_IO_URING_SETUP}},
		{"init_module", [6]uintptr{unix.SYS_INIT_MODULE}},
		{"kexec_load", [6]uintptr{unix.SYS_KEXEC_LOAD}},
		{"reboot", [6]uintptr{unix.SYS_REBOOT}},
		{"unknown call", [6]uintptr{4000}},
	} {
		_, _, err := syscall.RawSyscall6(call.args[0], call.args[1], call.args[2], call.args[3], call.args[4], call.args[5], 0)
		fmt.Printf("%s: %s\n", call.name, unix.ErrnoName(err))
	}
}

func descriptors() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		own := target == fmt.Sprintf("/proc/%d/fd", os.Getpid()) || strings.HasPrefix(target, "anon_inode:[event") // Go's poller
		if err == nil && !own {
			fmt.Println(e.Name(), target)
		}
	}
	dir, err := os.Readlink("/proc/self/cwd")
	fmt.Println("cwd", dir)
	return err
}
