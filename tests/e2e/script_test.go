package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// skipCode is the exit status of a script that skipped itself.
const skipCode = 77

// scriptTime bounds one script, its leak check not included.
const scriptTime = 4 * time.Minute

// runScript runs one script in this process and returns the exit status.
func runScript(file string) int {
	// Short, because the node's socket must fit into 108 bytes (unix(7)).
	dir, err := os.MkdirTemp(filepath.Join(os.Getenv(stageVariable), "work"), "")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer removeAll(dir)
	t := &verdict{}
	t.Run("", func(testscript.T) {
		testscript.RunT(t, testscript.Params{
			Files: []string{file}, WorkdirRoot: dir, Setup: prepare, Cmds: commands, Condition: condition,
			Deadline: time.Now().Add(scriptTime), RequireUniqueNames: true,
		})
	})
	return t.code
}

// removeAll deletes what a script left. Files in an image store belong to subordinate ids.
func removeAll(dir string) {
	if os.RemoveAll(dir) == nil {
		return
	}
	if out, err := exec.Command("unshare", "--map-root-user", "--map-auto", "rm", "-rf", dir).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "remove %s: %v: %s\n", dir, err, out)
	}
}

// verdict is a testscript.T for a process that runs one script.
type verdict struct{ code int }

func (v *verdict) Skip(args ...any) {
	fmt.Println(args...)
	v.code = skipCode
	runtime.Goexit()
}

func (v *verdict) Fatal(args ...any) {
	v.Log(args...)
	v.FailNow()
}

func (v *verdict) FailNow() {
	v.code = 1
	runtime.Goexit()
}

func (v *verdict) Log(args ...any) { fmt.Println(args...) }
func (v *verdict) Parallel()       {}
func (v *verdict) Verbose() bool   { return false }

// Run runs f in a goroutine, which it can end by Goexit.
func (v *verdict) Run(_ string, f func(testscript.T)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(v)
	}()
	<-done
}

// variables are what prepare sets, and commands get.
var variables = []string{
	"HOME", "PATH", "TMPDIR", "WORK", "STAGE", "XDG_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME",
	"CONTAINERS_REGISTRIES_CONF", "REGISTRY", "TLS_REGISTRY", "HOST4", "HOST6",
	engineVariable,
}

// prepare gives a script its instance.
func prepare(e *testscript.Env) error {
	stage := os.Getenv(stageVariable)
	for name, dir := range map[string]string{
		"HOME": "home", "XDG_RUNTIME_DIR": "run", "XDG_DATA_HOME": "home/.local/share", "XDG_STATE_HOME": "home/.local/state",
		"XDG_CONFIG_HOME": "home/.config", "XDG_CACHE_HOME": "home/.cache",
	} {
		dir = filepath.Join(e.WorkDir, dir)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		e.Setenv(name, dir)
	}
	e.Setenv("PATH", filepath.Join(stage, "bin")+":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	e.Setenv("STAGE", stage)
	e.Setenv(engineVariable, os.Getenv(engineVariable))
	e.Setenv("CONTAINERS_REGISTRIES_CONF", filepath.Join(stage, "registries.conf"))
	for name, file := range map[string]string{"REGISTRY": "registry", "TLS_REGISTRY": "tls-registry"} {
		address, err := os.ReadFile(filepath.Join(stage, file))
		if err == nil {
			e.Setenv(name, strings.TrimSpace(string(address)))
		}
	}
	e.Setenv("HOST4", hostAddress(true))
	e.Setenv("HOST6", hostAddress(false))
	e.Defer(func() { finish(e) })
	return nil
}

// finish is the end of every script: the leak check, and what helps to understand a failure.
func finish(e *testscript.Env) {
	i := newInstance(e)
	v := e.T().(*verdict)
	leaks := i.end()
	if v.code == 0 && len(leaks) > 0 {
		v.code = 1
		v.Log("leak check:\n  " + strings.Join(leaks, "\n  "))
	}
	if v.code == 1 {
		v.Log("node.log:\n" + i.nodeLog())
	}
}
