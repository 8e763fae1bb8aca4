package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A prober is this program once more, in an engine's user namespace, where it may join the Pods' network namespaces and read
// the memory maps of every helper. It is asked a line and answers one:
//
//	http PID      the time, in ns of the monotonic clock, when port 80 in the network of PID had answered
//	pss PID …     the sum of their proportional set sizes in kB, each: "PID=KB …"
//	remove PATH   "ok"
//
// or "error …".
type prober struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

const proberVerb = "prober"

func isProber(args []string) bool { return len(args) == 2 && args[1] == proberVerb }

// startProber starts one in the outermost user namespace that a process is in and this one is not.
func startProber(pid int) (*prober, error) {
	namespace, err := engineNamespace(pid)
	if err != nil {
		return nil, err
	}
	defer namespace.Close()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &prober{cmd: exec.Command("nsenter", "--user=/proc/self/fd/3", "--preserve-credentials", self, proberVerb)}
	p.cmd.ExtraFiles, p.cmd.Stderr = []*os.File{namespace}, os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	return p, p.cmd.Start()
}

// engineNamespace follows the user namespaces of a process outwards until the next one is this process's own.
func engineNamespace(pid int) (*os.File, error) {
	own, err := os.Stat("/proc/self/ns/user")
	if err != nil {
		return nil, err
	}
	namespace, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", pid))
	if err != nil {
		return nil, err
	}
	for {
		fd, err := unix.IoctlRetInt(int(namespace.Fd()), unix.NS_GET_PARENT)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("parent of the user namespace of process %d: %w", pid, err), namespace.Close())
		}
		parent := os.NewFile(uintptr(fd), "user")
		info, err := parent.Stat()
		if err != nil || os.SameFile(info, own) {
			parent.Close()
			return namespace, err
		}
		namespace.Close()
		namespace = parent
	}
}

func (p *prober) ask(words ...string) (string, error) {
	if _, err := fmt.Fprintln(p.in, strings.Join(words, " ")); err != nil {
		return "", err
	}
	line, err := p.out.ReadString('\n')
	line = strings.TrimSpace(line)
	if text, failed := strings.CutPrefix(line, "error "); failed {
		err = errors.New(text)
	}
	return line, err
}

// answered waits until nginx answers in a process's network, and tells when that was, by this process's clock.
func (p *prober) answered(pid int) (time.Time, error) {
	line, err := p.ask("http", strconv.Itoa(pid))
	if err != nil {
		return time.Time{}, fmt.Errorf("wait for nginx: %w", err)
	}
	then, err := strconv.ParseInt(line, 10, 64)
	return time.Now().Add(time.Duration(then - monotonic())), err
}

func (p *prober) remove(path string) error {
	_, err := p.ask("remove", path)
	return err
}

func (p *prober) close() error {
	p.in.Close()
	return p.cmd.Wait()
}

func monotonic() int64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // always there
	return t.Nano()
}

// serveProber is the prober's own side.
func serveProber(in io.Reader, out io.Writer) {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		answer, err := answer(strings.Fields(lines.Text()))
		if err != nil {
			answer = "error " + strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		fmt.Fprintln(out, answer)
	}
}

func answer(words []string) (string, error) {
	switch {
	case len(words) == 2 && words[0] == "http":
		done := make(chan error)
		var at int64
		go func() { // its thread ends with it, for it is somewhere else
			runtime.LockOSThread()
			err := awaitPage(words[1])
			at = monotonic()
			done <- err
		}()
		err := <-done
		return strconv.FormatInt(at, 10), err
	case len(words) > 0 && words[0] == "pss":
		var sizes []string
		for _, pid := range words[1:] {
			sizes = append(sizes, fmt.Sprintf("%s=%d", pid, pss(pid)))
		}
		return strings.Join(sizes, " "), nil
	case len(words) == 2 && words[0] == "remove":
		return "ok", os.RemoveAll(words[1])
	}
	return "", fmt.Errorf("what is %q?", words)
}

// pss is a process's proportional set size in kB, 0 if it has no memory any more.
func pss(pid string) int {
	b, _ := os.ReadFile("/proc/" + pid + "/smaps_rollup")
	for line := range bytes.Lines(b) {
		var kb int
		if n, _ := fmt.Sscanf(string(line), "Pss: %d kB", &kb); n == 1 {
			return kb
		}
	}
	return 0
}

// Pauses and patience of awaitPage.
const (
	pageInterval = 100 * time.Microsecond
	pagePatience = 20 * time.Second
)

// awaitPage joins the network of a process and asks for a page until there is one.
func awaitPage(pid string) error {
	end := time.Now().Add(pagePatience)
	netns, err := os.Open("/proc/" + pid + "/ns/net")
	for ; errors.Is(err, os.ErrPermission) && time.Now().Before(end); time.Sleep(pageInterval) {
		netns, err = os.Open("/proc/" + pid + "/ns/net") // nobody may look into a process in the midst of execve
	}
	if err != nil {
		return err
	}
	defer netns.Close()
	if err := unix.Setns(int(netns.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("join the network of process %s: %w", pid, err)
	}
	for ; ; time.Sleep(pageInterval) {
		err := page()
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("no page after %s: %w", pagePatience, err)
		}
	}
}

// page asks port 80 of this network's loopback address once.
func page() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: 80, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	if _, err := unix.Write(fd, []byte("GET / HTTP/1.0\r\n\r\n")); err != nil {
		return err
	}
	head := make([]byte, 64)
	n, err := unix.Read(fd, head)
	if err == nil && !bytes.Contains(head[:n], []byte(" 200 ")) {
		err = fmt.Errorf("answer %q", head[:n])
	}
	return err
}
