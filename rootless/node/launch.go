package node

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/state"
	"github.com/peapod/peapod/rootless/userns"
)

// Variables by which the parts of a start speak to each other.
const (
	// readyVariable is the descriptor on which a node in the background says that it answers, or why it never will.
	readyVariable = "PEAPOD_READY_FD"
	// insideVariable is set for the node's second half, in U and M: the user's id on the host and the lock's descriptor, "1000 5".
	insideVariable = "PEAPOD_INSIDE"
)

const readyWord = "ready"

// ErrRunning means that another node has the lock.
var ErrRunning = errors.New("a node is already running")

// Launch starts a node in the background and returns when it answers. Of several launches at the same time one starts the
// node, and all wait for it.
func Launch(ctx context.Context, paths state.Paths) error {
	for {
		err := launch(ctx, paths)
		if !errors.Is(err, ErrRunning) {
			return err
		}
		// Whoever has the lock may be on the point of ending, and will never answer: then it is for us to try again.
		if answers, err := await(ctx, paths.NodeSocket()); answers || err != nil {
			return err
		}
	}
}

// startTime is how long another's node may take to answer before a new one is tried: several times what it takes.
const startTime = 200 * time.Millisecond

// await waits for a node that somebody else starts, and tells whether it answers.
func await(ctx context.Context, socket string) (answers bool, err error) {
	for end := time.Now().Add(startTime); time.Now().Before(end); {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			return true, conn.Close()
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return false, fmt.Errorf("wait for the node that is being started: %w", context.Cause(ctx))
		}
	}
	return false, nil
}

func launch(ctx context.Context, paths state.Paths) error {
	if err := prepareDirectories(paths, os.Getuid()); err != nil {
		return err
	}
	executable, err := os.Executable()
	if err != nil {
		return err
	}
	argv := []string{executable, "node"}
	if scope := scopeCommand(); scope != nil {
		err := spawn(ctx, paths, append(scope, argv...))
		if !errors.Is(err, errSilent) {
			return err
		}
		// The user's systemd did not take it; a session of its own will do.
	}
	return spawn(ctx, paths, argv)
}

// scopeCommand runs a command in a scope of the user's systemd, so that it does not die with the unit that the caller is in.
// It is nil where there is no such systemd.
func scopeCommand() []string {
	if _, err := os.Stat(filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "systemd", "private")); err != nil {
		return nil
	}
	run, err := exec.LookPath("systemd-run")
	if err != nil {
		return nil
	}
	return []string{run, "--user", "--scope", "--quiet", "--collect", "--description=peapod node", "--property=Delegate=yes", "--"}
}

// spawn starts a node and waits for its word.
func spawn(ctx context.Context, paths state.Paths, argv []string) error {
	log, err := os.OpenFile(paths.NodeLog(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	ready, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), readyVariable+"=3")
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, []*os.File{writer}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	writer.Close()
	if err != nil {
		return fmt.Errorf("start the node: %w", err)
	}
	go cmd.Wait() //nolint:errcheck // its last word comes through the pipe
	stop := context.AfterFunc(ctx, func() { ready.SetReadDeadline(time.Now()) })
	defer stop()
	return awaitReady(ready, paths)
}

// errSilent means that a node ended before it could say anything.
var errSilent = errors.New("the node ended without a word")

// awaitReady reads the node's first and last word.
func awaitReady(ready io.Reader, paths state.Paths) error {
	b, err := io.ReadAll(ready)
	word := strings.TrimSpace(string(b))
	switch {
	case word == readyWord:
		return nil
	case word == ErrRunning.Error():
		return ErrRunning
	case word != "":
		return errors.New(word)
	case err != nil:
		return fmt.Errorf("wait for the node: %w", err)
	}
	return fmt.Errorf("%w; its log is %s%s", errSilent, paths.NodeLog(), lastLine(paths.NodeLog()))
}

// lastLine is the last line of a log, for an error.
func lastLine(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	last := ""
	for s := bufio.NewScanner(f); s.Scan(); {
		last = s.Text()
	}
	if last == "" {
		return ""
	}
	return ": " + last
}

// tell writes the word that Launch waits for, once.
func tell(word string) {
	fd, err := strconv.Atoi(os.Getenv(readyVariable))
	if err != nil {
		return
	}
	os.Unsetenv(readyVariable)
	f := os.NewFile(uintptr(fd), "ready")
	_, _ = f.WriteString(word + "\n") // the launcher may be gone, which is no reason for the node to go too
	f.Close()
}

// prepareDirectories makes peapod's directories. The runtime directory may be at a place where everybody can make files,
// so it must be the user's own and closed to all others.
func prepareDirectories(paths state.Paths, uid int) error {
	for _, dir := range []string{paths.Data, paths.State, paths.Run} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	var stat unix.Stat_t
	if err := unix.Lstat(paths.Run, &stat); err != nil {
		return &os.PathError{Op: "stat", Path: paths.Run, Err: err}
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR || int(stat.Uid) != uid {
		return fmt.Errorf("runtime directory %s: it must be a folder that belongs to you; remove it, or set XDG_RUNTIME_DIR", paths.Run)
	}
	return os.Chmod(paths.Run, 0o700)
}

// Main runs a node; it returns when the node has been shut down. Outside of U it replaces this process by one inside, so it returns only
// on failure.
func Main(ctx context.Context, o Options) (err error) {
	defer func() {
		if err != nil {
			tell(oneLine(err))
		}
	}()
	if _, err := checkHandler(o.Runtime); err != nil {
		return fmt.Errorf("the node's --runtime: %w", err)
	}
	if inside := os.Getenv(insideVariable); inside != "" {
		return mainInside(ctx, o, inside)
	}
	return enter()
}

// oneLine is an error's text for the pipe to the launcher.
func oneLine(err error) string {
	if errors.Is(err, ErrRunning) {
		return ErrRunning.Error()
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}

// enter is the node's first half: an ordinary process of the user.
func enter() error {
	paths, err := state.DefaultPaths(os.Getenv, os.Getuid(), os.Getenv("HOME"))
	if err != nil {
		return err
	}
	if err := prepareDirectories(paths, os.Getuid()); err != nil {
		return err
	}
	lock, err := takeLock(paths.NodeLock())
	if err != nil {
		return err
	}
	holder, err := findHolder(paths)
	if err != nil {
		return err
	}
	executable, err := os.Executable()
	if err != nil {
		return err
	}
	keep := []int{lock}
	if fd, err := strconv.Atoi(os.Getenv(readyVariable)); err == nil {
		keep = append(keep, fd)
	}
	environ := append(os.Environ(), fmt.Sprintf("%s=%d %d", insideVariable, os.Getuid(), lock))
	return holder.Enter("/", append([]string{executable}, os.Args[1:]...), environ, keep)
}

// takeLock takes the lock that a node holds as long as it lives. The descriptor is never closed.
func takeLock(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return -1, ErrRunning
	}
	if err != nil {
		return -1, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	return fd, nil
}

// findHolder returns the process that keeps U and M, a new one if there is none.
func findHolder(paths state.Paths) (*userns.Holder, error) {
	holder, err := userns.Load(paths.Holder())
	if holder != nil || err != nil {
		return holder, err
	}
	u, err := user.Current()
	if err != nil {
		return nil, err
	}
	maps, err := userns.Ranges(u)
	if errors.Is(err, userns.ErrNoRanges) {
		fmt.Fprintln(os.Stderr, "peapod node:", err, "(until then all ids are one)")
		maps, err = userns.Single(os.Getuid(), os.Getgid()), nil
	}
	if err != nil {
		return nil, err
	}
	if holder, err = userns.Create(maps); err != nil {
		return nil, err
	}
	if err := holder.Save(paths.Holder()); err != nil {
		return nil, errors.Join(err, holder.Stop()) // the next start would not know of it
	}
	return holder, nil
}

// mainInside is the node's second half, in U and M.
func mainInside(ctx context.Context, o Options, inside string) error {
	os.Unsetenv(insideVariable)
	var uid, lock int
	if _, err := fmt.Sscanf(inside, "%d %d", &uid, &lock); err != nil {
		return fmt.Errorf("variable %s: %w", insideVariable, err)
	}
	unix.CloseOnExec(lock)
	if fd, err := strconv.Atoi(os.Getenv(readyVariable)); err == nil {
		unix.CloseOnExec(fd)
	}
	// Modes of files are what the code says, whatever the user's shell says.
	unix.Umask(0o022)
	paths, err := state.DefaultPaths(os.Getenv, uid, os.Getenv("HOME"))
	if err != nil {
		return err
	}
	holder, err := userns.Load(paths.Holder())
	if err != nil {
		return err
	}
	if holder == nil {
		return errors.New("the holder of the namespaces is gone")
	}
	n, err := open(paths, holder, o)
	if err != nil {
		return err
	}
	return n.serve(ctx)
}
