package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// process is one of the system's, as /proc shows it.
type process struct {
	pid  int
	comm string
}

// watcher looks for processes that were not there when it was made.
type watcher struct {
	proc *os.File
	old  map[string]bool // pids as text
}

func newWatcher() (*watcher, error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	w := &watcher{proc: proc}
	w.old, err = w.all()
	return w, err
}

// all are the present processes.
func (w *watcher) all() (map[string]bool, error) {
	if _, err := w.proc.Seek(0, 0); err != nil {
		return nil, err
	}
	names, err := w.proc.Readdirnames(-1)
	pids := make(map[string]bool, len(names))
	for _, name := range names {
		if name[0] >= '1' && name[0] <= '9' {
			pids[name] = true
		}
	}
	return pids, err
}

// scanInterval is short for the times to be measured and long for what a scan costs, some 0.1 ms.
const scanInterval = 400 * time.Microsecond

// started waits for the first process of every container of a new Pod. found is called once for each with the time it was seen.
// The old processes are those of before.
func (w *watcher) started(ctx context.Context, before map[string]bool, found func(container string, pid int, at time.Time)) error {
	seen := map[string]bool{}
	for len(seen) < 2 {
		pids, err := w.all()
		if err != nil {
			return err
		}
		now := time.Now()
		for pid := range pids {
			if before[pid] {
				continue
			}
			// Until it has executed its program, a process shows its parent's arguments: so it is looked at again and again.
			container := workload(arguments(pid))
			if container == "" || seen[container] || !first(pid) {
				continue
			}
			seen[container] = true
			n, _ := strconv.Atoi(pid)
			found(container, n, now)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(scanInterval):
		}
	}
	return nil
}

// arguments are those of a process, none if it is gone.
func arguments(pid string) []string {
	b, _ := os.ReadFile("/proc/" + pid + "/cmdline")
	if len(b) == 0 {
		return nil
	}
	return strings.Split(strings.TrimRight(string(b), "\x00"), "\x00")
}

// first tells whether a process is this user's and number 1 in its pid namespace: others may run such Pods too, and what it
// forks shows the same arguments for a moment.
func first(pid string) bool {
	return own(pid) && strings.HasSuffix(status(pid, "NSpid"), "\t1")
}

// own tells whether a process is this user's; the root of every container is.
func own(pid string) bool {
	return strings.HasPrefix(status(pid, "Uid"), fmt.Sprintf("\t%d\t", os.Getuid()))
}

// status is a field of /proc/PID/status (proc_pid_status(5)), beginning with a tab.
func status(pid, field string) string {
	b, _ := os.ReadFile("/proc/" + pid + "/status")
	_, after, _ := strings.Cut(string(b), "\n"+field+":")
	line, _, _ := strings.Cut(after, "\n")
	return line
}

// helpers are this user's processes since the start of this program that are no workload, nor this program's own.
func (w *watcher) helpers() ([]process, error) {
	pids, err := w.all()
	var list []process
	for pid := range pids {
		n, _ := strconv.Atoi(pid)
		comm, err := os.ReadFile("/proc/" + pid + "/comm")
		p := process{n, strings.TrimSpace(string(comm))}
		if err != nil || w.old[pid] || workloadComms[p.comm] || n == os.Getpid() || !own(pid) || isProber(arguments(pid)) {
			continue
		}
		list = append(list, p)
	}
	return list, err
}
