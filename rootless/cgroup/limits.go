package cgroup

import "strconv"

// Limits of a group; zero means none.
type Limits struct {
	CPU        int64 // limits.cpu, in thousandths of a CPU
	CPURequest int64 // requests.cpu, likewise: the share when CPUs are scarce
	Memory     int64 // limits.memory, in bytes
	Pids       int64 // processes and threads
}

// A setting is a file of a group and what to write to it; asked says that it limits.
type setting struct {
	controller, file, value string
	asked                   bool
}

const cpuPeriod = 100_000 // microseconds; the kubelet's cpu-cfs-quota-period

// settings gives every limit a value, so that one that has been lifted is.
func (l Limits) settings() []setting {
	return []setting{
		{"cpu", "cpu.max", cpuMax(l.CPU), l.CPU > 0},
		{"cpu", "cpu.weight", strconv.FormatInt(cpuWeight(l.CPURequest), 10), l.CPURequest > 0},
		{"memory", "memory.max", orMax(l.Memory), l.Memory > 0},
		{"pids", "pids.max", orMax(l.Pids), l.Pids > 0},
	}
}

func orMax(n int64) string {
	if n <= 0 {
		return "max"
	}
	return strconv.FormatInt(n, 10)
}

// cpuMax: the kernel takes no quota under a millisecond, and the kubelet rounds up to it.
func cpuMax(milli int64) string {
	if milli <= 0 {
		return "max " + strconv.Itoa(cpuPeriod)
	}
	return strconv.FormatInt(max(milli*cpuPeriod/1000, 1000), 10) + " " + strconv.Itoa(cpuPeriod)
}

// cpuWeight goes by way of cgroup v1 shares (2 to 262144), as the kubelet does (KEP-2254), so that Pods weigh against each other here as
// they do in a cluster. No request is the least share.
func cpuWeight(milli int64) int64 {
	shares := min(max(min(milli, 262144)*1024/1000, 2), 262144)
	return 1 + (shares-2)*9999/262142
}
