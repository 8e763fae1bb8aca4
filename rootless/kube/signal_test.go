package kube

import (
	"syscall"
	"testing"
)

func TestParseSignal(t *testing.T) {
	for s, want := range map[string]syscall.Signal{"SIGQUIT": syscall.SIGQUIT, "quit": syscall.SIGQUIT, "3": syscall.SIGQUIT, "SIGRTMIN+3": 37, "SIGRTMAX-1": 63, "RTMIN": 34, "SIGRTMAX+1": 0, "SIGRTMIN+x": 0, "SIGPOLL": syscall.SIGIO, "nonsense": 0, "-1": 0, "": 0, "900": 0} {
		if got, ok := ParseSignal(s); got != want || ok != (want != 0) {
			t.Errorf("%q: got %v, %v", s, got, ok)
		}
	}
}

func TestStopSignalsAreSignals(t *testing.T) {
	for _, name := range stopSignals() {
		if _, ok := ParseSignal(string(name)); !ok {
			t.Errorf("%s is no signal", name)
		}
	}
}
