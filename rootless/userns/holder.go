package userns

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/plan"
	"github.com/peapod/peapod/rootless/state"
)

// Holder is the process that keeps U, M and the hub. It is stored as JSON.
type Holder struct {
	Process state.Process
	Maps    Maps
}

// Load reads a holder that Save noted. It returns nil if there is none that still runs.
func Load(path string) (*Holder, error) {
	h := &Holder{}
	err := state.ReadFile(path, h)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !h.Process.Alive() {
		return nil, nil
	}
	return h, nil
}

// Save notes the holder for the next node.
func (h *Holder) Save(path string) error { return state.WriteFile(path, h) }

// Create starts a holder with new namespaces.
func Create(m Maps) (*Holder, error) {
	pause, err := plan.Pause()
	if err != nil {
		return nil, err
	}
	unshared, unsharedW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer unshared.Close()
	mappedR, mapped, err := os.Pipe()
	if err != nil {
		unsharedW.Close()
		return nil, err
	}
	type outcome struct {
		pid int
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		pid, err := plan.Run(plan.Start{
			Plan:  holderPlan(),
			Files: map[string]*os.File{"unshared": unsharedW, "mapped": mappedR, "pause": pause.File()},
			Attr:  &syscall.SysProcAttr{Setsid: true},
		})
		unsharedW.Close()
		mappedR.Close()
		done <- outcome{pid, err}
	}()
	mapErr := mapHolder(unshared, m)
	if mapErr == nil {
		_, mapErr = mapped.Write([]byte{1})
	}
	mapped.Close()
	o := <-done
	if mapErr != nil && !errors.Is(mapErr, io.EOF) {
		return nil, mapErr
	}
	if o.err != nil {
		return nil, explain(o.err)
	}
	return newHolder(o.pid, m)
}

func newHolder(pid int, m Maps) (*Holder, error) {
	process, err := state.NewProcess(pid)
	if err != nil {
		return nil, err
	}
	return &Holder{process, m}, nil
}

// mapHolder waits for the holder's pid and writes its maps. It returns io.EOF if the holder failed before.
func mapHolder(unshared io.Reader, m Maps) error {
	var b [8]byte
	if _, err := io.ReadFull(unshared, b[:]); err != nil {
		return io.EOF
	}
	pid := int(binary.NativeEndian.Uint64(b[:]))
	if m.Single() {
		return writeSingle(pid, m)
	}
	if err := writeMap("newuidmap", pid, m.UIDs); err != nil {
		return err
	}
	return writeMap("newgidmap", pid, m.GIDs)
}

// holderPlan is the holder's way from a process of the user to the pause of U, M and the hub.
func holderPlan() *plan.Plan {
	p := plan.New()
	unshared, mapped := p.Inherit("unshared"), p.Inherit("mapped")
	p.Call("make a user namespace", unix.SYS_UNSHARE, plan.Flags{Value: unix.CLONE_NEWUSER, Name: "CLONE_NEWUSER"})
	p.Call("make a mount namespace", unix.SYS_UNSHARE, plan.Flags{Value: unix.CLONE_NEWNS, Name: "CLONE_NEWNS"})
	// Without this one there is no node, though Pods with hostNetwork would need none: it is where all others meet, and everything relies on it.
	p.Call("make the network namespace that Pods are connected by", unix.SYS_UNSHARE, plan.Flags{Value: unix.CLONE_NEWNET, Name: "CLONE_NEWNET"})
	p.Tell(unshared, p.Call("", unix.SYS_GETPID))
	p.Call("", unix.SYS_CLOSE, unshared)
	// End of file instead of the byte means that the maps could not be written: the next call then fails, as id 0 is not mapped.
	p.Call("wait for the maps", unix.SYS_READ, mapped, p.Room("byte", 8), 1)
	p.Call("become root of the user namespace", unix.SYS_SETRESGID, 0, 0, 0)
	p.Call("become root of the user namespace", unix.SYS_SETRESUID, 0, 0, 0)
	p.Call("make the mounts slaves of the host's", unix.SYS_MOUNT, nil, "/", nil,
		plan.Flags{Value: unix.MS_SLAVE | unix.MS_REC, Name: "MS_SLAVE|MS_REC"}, nil)
	p.Call("", unix.SYS_CHDIR, "/")
	p.ExecPause()
	return p
}

// writeMap runs newuidmap(1) or newgidmap(1).
func writeMap(tool string, pid int, m []syscall.SysProcIDMap) error {
	args := []string{strconv.Itoa(pid)}
	for _, e := range m {
		args = append(args, strconv.Itoa(e.ContainerID), strconv.Itoa(e.HostID), strconv.Itoa(e.Size))
	}
	var stderr bytes.Buffer
	cmd := exec.Command(tool, args...)
	cmd.Stderr = &stderr
	err := cmd.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("%s is not installed; it is in the package uidmap (Debian, Ubuntu), shadow-utils (Fedora) or shadow (Arch)", tool)
	case err != nil:
		return fmt.Errorf("%s %s: %w: %s", tool, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return nil
}

// writeSingle maps the own ids, which needs no privilege. A group may be mapped so only in a namespace where setgroups(2) is
// forbidden, or one could drop a group that denies something (user_namespaces(7)).
func writeSingle(pid int, m Maps) error {
	for _, file := range []struct{ name, content string }{
		{"setgroups", "deny"},
		{"uid_map", fmt.Sprintf("0 %d 1", m.UIDs[0].HostID)},
		{"gid_map", fmt.Sprintf("0 %d 1", m.GIDs[0].HostID)},
	} {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/%s", pid, file.name), []byte(file.content), 0); err != nil {
			return err
		}
	}
	return nil
}

// settings are what an administrator may have forbidden user namespaces with.
var settings = [...]struct{ path, forbids, allow string }{
	{"/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"},
	{"/proc/sys/user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=15000"},
	{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for peapod"},
}

// explain names the setting that may be behind a refused namespace.
func explain(err error) error {
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EUSERS) {
		return err
	}
	for _, s := range settings {
		if b, e := os.ReadFile(s.path); e == nil && strings.TrimSpace(string(b)) == s.forbids {
			return fmt.Errorf("%w: user namespaces are forbidden by %s = %s; an administrator can allow them: %s", err, s.path, s.forbids, s.allow)
		}
	}
	return err
}

// HubNetns opens the hub's network namespace.
func (h *Holder) HubNetns() (*os.File, error) {
	return os.Open(fmt.Sprintf("/proc/%d/ns/net", h.Process.Pid))
}

// Stop ends the holder, and so its namespaces when nobody else is in them.
func (h *Holder) Stop() error {
	if err := h.Process.Kill(); err != nil {
		return fmt.Errorf("kill the holder: %w", err)
	}
	return nil
}
