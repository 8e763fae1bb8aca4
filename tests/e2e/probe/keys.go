package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// keyWrite does what a login does (pam_keyinit(8)), and somebody who keeps a key in it.
func keyWrite(name, value string, command []string) error {
	runtime.LockOSThread() // a keyring belongs to a thread until it executes something
	if _, err := unix.KeyctlJoinSessionKeyring("probe"); err != nil {
		return os.NewSyscallError("join a session keyring", err)
	}
	if _, err := unix.AddKey("user", name, []byte(value), unix.KEY_SPEC_SESSION_KEYRING); err != nil {
		return os.NewSyscallError("add a key", err)
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	return unix.Exec(path, command, os.Environ())
}

func keyRead(name string) error {
	id, err := unix.KeyctlSearch(unix.KEY_SPEC_SESSION_KEYRING, "user", name, 0)
	if err != nil {
		return os.NewSyscallError("search the session keyring", err)
	}
	value := make([]byte, 256)
	n, err := unix.KeyctlBuffer(unix.KEYCTL_READ, id, value, 0)
	if err != nil {
		return os.NewSyscallError("read the key", err)
	}
	fmt.Printf("%s\n", value[:min(n, len(value))])
	return nil
}
