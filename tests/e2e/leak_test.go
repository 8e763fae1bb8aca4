package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// instance is the peapod of one script, seen from outside.
type instance struct {
	environ          []string
	run, data, state string
	tmp              string
}

func newInstance(e *testscript.Env) *instance {
	return &instance{
		environ: slices.Clone(e.Vars), tmp: e.Getenv("TMPDIR"),
		run:   filepath.Join(e.Getenv("XDG_RUNTIME_DIR"), "peapod"),
		data:  filepath.Join(e.Getenv("XDG_DATA_HOME"), "peapod"),
		state: filepath.Join(e.Getenv("XDG_STATE_HOME"), "peapod"),
	}
}

// settle is how long things may take to go away: the kernel removes namespaces and their links in the background.
const settle = 5 * time.Second

// end deletes the script's Pods, stops its node and returns what is left of them, one line each.
func (i *instance) end() []string {
	var leaks []string
	if _, err := os.Stat(filepath.Join(i.run, "holder.json")); err == nil { // else none ever ran
		leaks = append(leaks, i.deletePods()...)
		leaks = append(leaks, eventually(i.idleLeaks)...)
		if out, err := i.peapod("node", "stop"); err != nil {
			leaks = append(leaks, fmt.Sprintf("node stop: %v: %s", err, out))
		}
	}
	leaks = append(leaks, eventually(i.processLeaks)...)
	return append(leaks, i.fileLeaks()...)
}

// eventually repeats a check until it finds nothing, and returns what it found last.
func eventually(check func() []string) (leaks []string) {
	for end := time.Now().Add(settle); ; time.Sleep(20 * time.Millisecond) {
		if leaks = check(); len(leaks) == 0 || time.Now().After(end) {
			return leaks
		}
	}
}

// peapod runs the program in the script's environment, though not with its PATH, which scripts cripple.
func (i *instance) peapod(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(os.Getenv(stageVariable), "bin", "peapod"), args...)
	cmd.Env = append(i.environ, "PATH="+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (i *instance) deletePods() []string {
	out, err := i.peapod("get", "pods", "-A", "-o", `go-template={{range .items}}{{.metadata.namespace}} {{.metadata.name}}{{"\n"}}{{end}}`)
	if err != nil {
		return []string{fmt.Sprintf("list pods: %v: %s", err, out)}
	}
	var leaks []string
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) != 2 {
			continue
		}
		if out, err := i.peapod("delete", "pod", fields[1], "-n", fields[0], "--force", "--wait", "--timeout=10s", "--ignore-not-found"); err != nil {
			leaks = append(leaks, fmt.Sprintf("delete pod %s: %v: %s", fields, err, out))
		}
	}
	return leaks
}

// nodePid is where `node status` names the node's process.
var nodePid = regexp.MustCompile(`(?m)^Pid: (\d+)$`)

// idleLeaks looks at a node that has no Pod: nothing of one may be left in its mount namespace, in the hub or among its
// descriptors.
func (i *instance) idleLeaks() []string {
	out, err := i.peapod("node", "status")
	m := nodePid.FindStringSubmatch(out)
	if err != nil || m == nil {
		return []string{fmt.Sprintf("node status: %v: %s", err, out)}
	}
	if engine := os.Getenv(engineVariable); engine != "" && !strings.Contains(out, "Network: "+engine+"\n") {
		return []string{"the network engine is not " + engine + ":\n" + out}
	}
	return slices.Concat(i.mountLeaks(m[1]), i.linkLeaks(), i.descriptorLeaks(m[1]))
}

func (i *instance) mountLeaks(node string) []string {
	mounts, err := os.ReadFile("/proc/" + node + "/mountinfo")
	if err != nil {
		return []string{err.Error()}
	}
	var leaks []string
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, i.run) || strings.Contains(line, i.data) {
			leaks = append(leaks, "mount: "+strings.TrimSpace(line))
		}
	}
	return leaks
}

// linkLeaks finds devices of Pods in the hub, which the holder is in. One may be the engine's.
func (i *instance) linkLeaks() []string {
	holder, err := i.holderPid()
	if err != nil {
		return []string{"holder: " + err.Error()}
	}
	devices, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/dev", holder))
	if err != nil {
		return []string{"devices of the hub: " + err.Error()}
	}
	expected := []string{"lo", "peapod0"}
	if usesTap() {
		expected = append(expected, "peapod-tap")
	}
	var leaks []string
	for line := range strings.Lines(string(devices)) {
		name, _, isDevice := strings.Cut(strings.TrimSpace(line), ":")
		if isDevice && !slices.Contains(expected, name) {
			leaks = append(leaks, "network device in the hub: "+name)
		}
	}
	return leaks
}

func (i *instance) holderPid() (int, error) {
	text, err := os.ReadFile(filepath.Join(i.run, "holder.json"))
	var holder struct{ Process struct{ Pid int } }
	if err == nil {
		err = json.Unmarshal(text, &holder)
	}
	return holder.Process.Pid, err
}

// ofPods are descriptors that only a node with Pods, or with requests, may have.
var ofPods = regexp.MustCompile(`pidfd|^(net|mnt|user):|^pipe:|^/memfd:|/dev/pts|/ptmx|\(deleted\)$|/containers/[0-9a-f]{64}|/peapod/pods/|/log/pods/`)

// ofIdle are descriptors that match ofPods and are there for good: the programs that Plans run from.
var ofIdle = regexp.MustCompile(`^/memfd:peapod-(pause|interpreter) `)

func (i *instance) descriptorLeaks(node string) []string {
	names, err := filepath.Glob("/proc/" + node + "/fd/*")
	if err != nil || len(names) == 0 {
		return []string{"descriptors of the node: cannot be read"}
	}
	count := map[string]int{}
	for _, name := range names {
		if target, err := os.Readlink(name); err == nil {
			count[target]++
		}
	}
	holder, _ := i.holderPid()
	hub, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", holder))
	program := map[string]int{} // what a network engine that is a program takes: its handle, and what it writes to
	if usesTap() {
		program = map[string]int{"anon_inode:[pidfd]": 1, "pipe": 1}
	}
	var leaks []string
	for target, n := range count {
		kind := target
		if strings.HasPrefix(target, "pipe:") {
			kind = "pipe"
		}
		if n == 1 && program[kind] > 0 {
			program[kind]--
			continue
		}
		// Go keeps pipes for splice(2); both of their ends are here, so nobody else has one.
		spare := strings.HasPrefix(target, "pipe:") && n == 2
		good := n == 1 && (target == hub || ofIdle.MatchString(target))
		if ofPods.MatchString(target) && !spare && !good {
			leaks = append(leaks, fmt.Sprintf("descriptor of the idle node: %s, %d times", target, n))
		}
	}
	return leaks
}

// processLeaks finds descendants of the reaper, which is this process's parent. The reaper takes care of zombies.
func (i *instance) processLeaks() []string {
	var leaks []string
	for _, p := range descendants(os.Getppid()) {
		if p.pid != os.Getpid() && p.state != 'Z' {
			leaks = append(leaks, "process: "+p.String())
		}
	}
	return leaks
}

// fileLeaks finds files beyond those that a stopped node without Pods leaves: its lock, its database, its log and the
// folders that are made once.
func (i *instance) fileLeaks() []string {
	stays := map[string]bool{
		i.run + "/node.lock": true, i.run + "/containers": true, i.run + "/pods": true, i.run + "/staging": true,
		i.data + "/state.db": true, i.data + "/containers": true, i.data + "/pods": true, i.data + "/claims": true,
		i.state + "/node.log": true, i.state + "/log": true, i.state + "/log/pods": true,
	}
	images := map[string]bool{i.run + "/storage": true, i.data + "/storage": true} // where the user's usual store is not for us
	var leaks []string
	for _, top := range []string{i.run, i.data, i.state, i.tmp} {
		err := filepath.WalkDir(top, func(path string, _ fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) || path == top {
				return nil
			}
			if images[path] {
				return fs.SkipDir
			}
			if err != nil || !stays[path] {
				leaks = append(leaks, "file: "+path)
			}
			return nil
		})
		if err != nil {
			leaks = append(leaks, err.Error())
		}
	}
	return leaks
}

func (i *instance) nodeLog() string {
	text, err := os.ReadFile(filepath.Join(i.state, "node.log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}
