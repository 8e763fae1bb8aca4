package e2e

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// commands are the words that scripts have beside testscript's own.
//
//	retry REGEXP COMMAND…   run it until what it prints (on both streams) matches; its exit status does not matter
//	let NAME COMMAND…       set a variable to what it prints, without white space at the ends
//	kill9 PID               send SIGKILL
//	gone PID                wait until there is no such process, zombies aside
//	serve KIND ADDRESS NAME run a server in the test's own process (echo, udp, http, dns) and set a variable to its port
//	same A B                the words must be equal
//	terminal STEP… -- COMMAND…  run it on a terminal, see there
//	image NAME LAYER [CONFIG] make an image, see there
//	pod NAME IMAGE [CONTAINER] apply a Pod with that image, see there
var commands = map[string]func(*testscript.TestScript, bool, []string){
	"retry": retry, "let": let, "kill9": kill9, "gone": gone, "serve": serve, "same": same,
	"terminal": terminal, "image": image, "pod": pod,
}

// patience is how long a script waits for something to become so.
const patience = time.Minute

// retry puts only the last attempt into the script's log.
func retry(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: [!] retry REGEXP COMMAND…")
	}
	want, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	pause := 20 * time.Millisecond
	for end := time.Now().Add(patience); ; time.Sleep(pause) {
		pause = min(2*pause, 500*time.Millisecond) // asking costs others the processor
		var stdout, stderr bytes.Buffer
		cmd := command(ts, args[1:])
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		matches := want.Match(append(stdout.Bytes(), stderr.Bytes()...)) != neg
		if !matches && time.Now().Before(end) {
			continue
		}
		_, _ = ts.Stdout().Write(stdout.Bytes())
		_, _ = ts.Stderr().Write(stderr.Bytes())
		if !matches {
			ts.Fatalf("after %v: %v; want match for %q: %v", patience, err, args[0], !neg)
		}
		return
	}
}

// command is a command in the script's folder and environment, of which it gets what prepare set.
func command(ts *testscript.TestScript, args []string) *exec.Cmd {
	cmd := exec.Command("env", args...) // which looks for the program in the script's PATH
	for _, name := range variables {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	cmd.Dir = ts.MkAbs(".")
	return cmd
}

func let(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: let NAME COMMAND…")
	}
	ts.Check(ts.Exec(args[1], args[2:]...))
	value := strings.TrimSpace(ts.ReadFile("stdout"))
	if value == "" {
		ts.Fatalf("%v printed nothing", args[1:])
	}
	ts.Logf("%s=%s", args[0], value)
	ts.Setenv(args[0], value)
}

func same(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] same A B")
	}
	if (args[0] == args[1]) == neg {
		ts.Fatalf("%q and %q; want equal: %v", args[0], args[1], !neg)
	}
}

func kill9(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: kill9 PID")
	}
	pid, err := strconv.Atoi(args[0])
	ts.Check(err)
	if pid <= 1 {
		ts.Fatalf("kill9 %d", pid)
	}
	ts.Check(syscall.Kill(pid, syscall.SIGKILL))
}

func gone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: gone PID")
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + args[0] + "/stat")
		threads, _ := os.ReadDir("/proc/" + args[0] + "/task") // the first one can have ended while others still hold its files
		if p, ok := parseStat(string(stat)); err != nil || ok && p.state == 'Z' && len(threads) <= 1 {
			return
		}
	}
	ts.Fatalf("process %s still runs", args[0])
}

// condition answers [host4] and [host6]: this machine has an address of that family that is not loopback; [bare]: the user has no
// subordinate ids; and [kubectl]: one that is new enough is installed.
func condition(name string) (bool, error) {
	switch name {
	case "bare":
		return os.Getenv(bareVariable) != "", nil
	case "kubectl":
		return hasKubectl(), nil
	case "host4":
		return hostAddress(true) != "", nil
	case "host6":
		return hostAddress(false) != "", nil
	}
	return false, &unknownCondition{name}
}

type unknownCondition struct{ name string }

func (e *unknownCondition) Error() string { return "unknown condition " + e.name }

// hostAddress is an address of this machine that a Pod can reach, or nothing.
func hostAddress(v4 bool) string {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	for _, a := range addresses {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() && (ip.IP.To4() != nil) == v4 {
			return ip.IP.String()
		}
	}
	return ""
}
