package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc; USER_HZ is 100 on all that Go runs on.
const tick = 10 * time.Millisecond

// processorTime is what a process and the children it waited for have used so far.
func processorTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseProcessorTime(string(stat))
}

// parseProcessorTime adds up utime, stime, cutime and cstime, fields 14 to 17 of proc_pid_stat(5). Field 2, in parentheses, may
// hold anything.
func parseProcessorTime(stat string) (time.Duration, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 15 {
		return 0, fmt.Errorf("/proc/PID/stat: %q", stat)
	}
	var sum time.Duration
	for _, field := range fields[11:15] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/PID/stat: %w", err)
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}

// forgetPeak makes the peak of a process what it uses now (proc_pid_clear_refs(5)).
func forgetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// peak is the most that a process had in memory, in kB.
func peak(pid int) (int, error) {
	var kb int
	if _, err := fmt.Sscanf(status(strconv.Itoa(pid), "VmHWM"), "%d kB", &kb); err != nil {
		return 0, fmt.Errorf("/proc/%d/status: VmHWM: %w", pid, err)
	}
	return kb, nil
}

// processesAt are the processes of this user whose home directory is this one.
func processesAt(home string) (pids []int, err error) {
	entries, err := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || !own(entry.Name()) {
			continue
		}
		environment, _ := os.ReadFile("/proc/" + entry.Name() + "/environ") // nothing if it has ended
		if strings.Contains("\x00"+string(environment), "\x00HOME="+home+"\x00") {
			pids = append(pids, pid)
		}
	}
	return pids, err
}
