package kube

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// Real-time signals as C libraries count them: they keep two for themselves (signal(7)).
const (
	sigRTMin = 34
	sigRTMax = 64
)

// otherNames are names that stand for a signal that has another.
var otherNames = map[string]syscall.Signal{"SIGCLD": syscall.SIGCHLD, "SIGIOT": syscall.SIGABRT, "SIGPOLL": syscall.SIGIO}

// ParseSignal understands SIGTERM, TERM, SIGRTMIN+3, SIGRTMAX-1 and 15.
func ParseSignal(s string) (syscall.Signal, bool) {
	if number, err := strconv.Atoi(s); err == nil && number > 0 && number <= sigRTMax {
		return syscall.Signal(number), true
	}
	name := "SIG" + strings.TrimPrefix(strings.ToUpper(s), "SIG")
	if signal, ok := otherNames[name]; ok {
		return signal, true
	}
	for start, first := range map[string]int{"SIGRTMIN": sigRTMin, "SIGRTMAX": sigRTMax} {
		if offset, ok := strings.CutPrefix(name, start); ok {
			n, err := strconv.Atoi(offset)
			if number := first + n; (offset == "" || err == nil) && number >= sigRTMin && number <= sigRTMax {
				return syscall.Signal(number), true
			}
		}
	}
	signal := unix.SignalNum(name)
	return signal, signal != 0
}

// stopSignals are the names that lifecycle.stopSignal may have, in order.
func stopSignals() []corev1.Signal {
	names := strings.Fields("SIGABRT SIGALRM SIGBUS SIGCHLD SIGCLD SIGCONT SIGFPE SIGHUP SIGILL SIGINT SIGIO SIGIOT SIGKILL SIGPIPE SIGPOLL " +
		"SIGPROF SIGPWR SIGQUIT SIGSEGV SIGSTKFLT SIGSTOP SIGSYS SIGTERM SIGTRAP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGUSR1 SIGUSR2 SIGVTALRM " +
		"SIGWINCH SIGXCPU SIGXFSZ SIGRTMIN SIGRTMAX")
	for i := 1; i <= 15; i++ {
		names = append(names, fmt.Sprintf("SIGRTMIN+%d", i))
	}
	for i := 1; i <= 14; i++ {
		names = append(names, fmt.Sprintf("SIGRTMAX-%d", i))
	}
	slices.Sort(names)
	signals := make([]corev1.Signal, len(names))
	for i, name := range names {
		signals[i] = corev1.Signal(name)
	}
	return signals
}
