package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }

// reap runs the script's own process, reaps all of its descendants, and kills those that are left when it has ended. It returns
// the script's exit status.
func reap() int {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, "become a child subreaper:", err)
		return 1
	}
	signal.Ignore(syscall.SIGPIPE) // nobody reads what it says when the suite has died
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM, syscall.SIGINT)
	os.Setenv(roleVariable, "script")
	script, err := os.StartProcess("/proc/self/exe", os.Args, &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the script:", err)
		return 1
	}
	go func() {
		<-terminated
		_ = script.Kill() // which ends the wait below
	}()
	code := waitAll(script.Pid)
	killChildren()
	return code
}

// waitAll reaps whatever ends, until it is the given process. It returns that one's exit status.
func waitAll(pid int) int {
	for {
		var status unix.WaitStatus
		switch ended, err := unix.Wait4(-1, &status, 0, nil); {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			fmt.Fprintln(os.Stderr, "wait:", err)
			return 1
		case ended == pid && status.Signaled():
			fmt.Fprintln(os.Stderr, "the script was killed by", status.Signal())
			return 1
		case ended == pid:
			return status.ExitStatus()
		}
	}
}

// killChildren kills all descendants: the children of one that ends become children of this process, until there are none.
func killChildren() {
	for {
		for _, p := range processes() {
			if p.parent == os.Getpid() {
				syscall.Kill(p.pid, syscall.SIGKILL)
			}
		}
		if _, err := unix.Wait4(-1, nil, 0, nil); errors.Is(err, unix.ECHILD) {
			return
		}
	}
}

// process is a line of ps.
type process struct {
	pid, parent int
	state       byte // R, S, Z, …
	name        string
}

func (p process) String() string {
	cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.pid))
	args := strings.TrimSpace(strings.ReplaceAll(string(cmdline), "\x00", " "))
	return fmt.Sprintf("%d (%s, %c, child of %d) %s", p.pid, p.name, p.state, p.parent, args)
}

// processes are all that can be seen.
func processes() []process {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	var found []process
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		if p, ok := parseStat(string(stat)); ok {
			found = append(found, p)
		}
	}
	return found
}

// parseStat reads /proc/<pid>/stat (proc(5)): the name is in parentheses and may contain some.
func parseStat(stat string) (p process, ok bool) {
	open, end := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return p, false
	}
	fields := strings.Fields(stat[end+1:])
	if len(fields) < 2 {
		return p, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(stat[:open]))
	parent, err2 := strconv.Atoi(fields[1])
	return process{pid, parent, fields[0][0], stat[open+1 : end]}, err == nil && err2 == nil
}

// descendants are the processes below one.
func descendants(of int) []process {
	children := map[int][]process{}
	for _, p := range processes() {
		children[p.parent] = append(children[p.parent], p)
	}
	var found []process
	for next := []int{of}; len(next) > 0; next = next[1:] {
		for _, p := range children[next[0]] {
			found = append(found, p)
			next = append(next, p.pid)
		}
	}
	return found
}
